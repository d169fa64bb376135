-- Give everybody at one version: epoch, its age in ms, version, then user, devices, user, devices …, and user, note,
-- user, note … An epoch that a node of an earlier version began doesn't say when, and counts as old.
local state = redis.call('HMGET', root, 'began_ms', 'version')
return { epoch, digits(now_ms - tonumber(state[1] or 0)), state[2], redis.call('HGETALL', users), redis.call('HGETALL', notes) }
