-- Apply writes in order, as one change. ARGV[3] incarnation, then five for each write: put or remove, session, user,
-- claim, cause; user and claim are empty to remove. Gives 1, or 0 when the lease was lost, and then nothing was written.
local incarnation = ARGV[3]
if not is_living(incarnation) then
    return 0
end
for at = 4, #ARGV, 5 do
    local session, user, claim, cause = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
    if ARGV[at] == 'put' then
        redis.call('HSET', node_key(incarnation), session, user)
        redis.call('HSET', user_key(user), field(session, incarnation), claim)
        touch(user, cause, claim)
    else
        local holder = redis.call('HGET', node_key(incarnation), session)
        if holder then take_away(incarnation, session, holder, cause) end
    end
end
settle()
return 1
