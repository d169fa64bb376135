-- Keep a lease. ARGV[3] incarnation, ARGV[4] how long it holds from now, in ms. Gives 1, or 0 when it was lost.
if not is_living(ARGV[3]) then
    return 0
end
redis.call('ZADD', leases, now_ms + tonumber(ARGV[4]), ARGV[3])
return 1
