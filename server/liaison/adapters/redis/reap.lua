-- Take apart incarnations without a lease. ARGV[3] how many users at most, ARGV[4] and ARGV[5] the cause for nodes that
-- were lost and for those that ended in an orderly way, ARGV[6] when this was asked, by Redis' own clock. Gives how many
-- users; one counts once for each incarnation.
-- A call that waited while Redis stood still finds the leases run out of nodes that could not renew them.
if now_ms - tonumber(ARGV[6]) > STANDSTILL_MS then return 0 end
local DAY_MS = 24 * 3600 * 1000
local budget = tonumber(ARGV[3])
for _, incarnation in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now_ms)) do
    local cause = redis.call('SISMEMBER', closing, incarnation) == 0 and ARGV[4] or ARGV[5]
    local seen, cursor = {}, '0'
    repeat
        local page = redis.call('HSCAN', node_key(incarnation), cursor, 'COUNT', ARGV[3])
        cursor = page[1]
        for at = 1, #page[2], 2 do
            local session, user = page[2][at], page[2][at + 1]
            if not seen[user] and budget > 0 then
                seen[user] = true
                budget = budget - 1
            end
            if seen[user] then take_away(incarnation, session, user, cause) end
        end
    until cursor == '0' or budget == 0
    if redis.call('EXISTS', node_key(incarnation)) == 0 then
        redis.call('ZREM', leases, incarnation)
        redis.call('SREM', closing, incarnation)
        redis.call('ZADD', ended, now_ms, incarnation)
    end
    if budget == 0 then break end
end
-- A name has 64 random bits, and a call that is a day late doesn't happen.
redis.call('ZREMRANGEBYSCORE', ended, '-inf', now_ms - DAY_MS)
settle()
return tonumber(ARGV[3]) - budget
