-- End a lease in an orderly way. ARGV[3] incarnation, ARGV[4] its devices' grace in ms, ARGV[5] the cause. Gives 1.
local incarnation = ARGV[3]
if not is_living(incarnation) then
    return 1
end
redis.call('SADD', closing, incarnation)
redis.call('ZADD', leases, now_ms + tonumber(ARGV[4]), incarnation)
local sessions = redis.call('HGETALL', node_key(incarnation))
for at = 1, #sessions, 2 do
    local user, name = sessions[at + 1], field(sessions[at], incarnation)
    local claim = redis.call('HGET', user_key(user), name)
    if claim then
        -- The first digit and the last field both say whether the device is confirmed.
        claim = '0' .. string.gsub(string.sub(claim, 2), 'true%]$', 'false]')
        redis.call('HSET', user_key(user), name, claim)
        touch(user, ARGV[5], claim)
    end
end
settle()
return 1
