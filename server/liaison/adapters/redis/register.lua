-- Begin a lease. ARGV[3] incarnation, ARGV[4] how long it holds in ms. Gives 1, or 0 when the name was used before.
local incarnation = ARGV[3]
if redis.call('ZSCORE', leases, incarnation) then
    return is_living(incarnation) and 1 or 0
end
if redis.call('ZSCORE', ended, incarnation) then
    return 0
end
redis.call('ZADD', leases, now_ms + tonumber(ARGV[4]), incarnation)
return 1
