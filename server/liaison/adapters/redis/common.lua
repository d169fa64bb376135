-- What every script of presence begins with. (redis_presence.py puts it in front of each)
--
-- KEYS[1]  liaison:{OFFICE}:presence, a hash: epoch, began_ms, version, run_id, seen_ms (the last call); the braces keep
--          an office in one slot
--   :leases   sorted set, incarnation -> when its lease or grace ends, in ms by Redis' own clock
--   :closing  set of incarnations that ended in an orderly way
--   :ended    sorted set of incarnations that are gone -> when, so that a late call of one is refused
--   :node:N   hash of incarnation N, session -> user
--   :user:U   hash of user U, session|incarnation -> claim
--   :users    hash, user -> devices as a JSON array, merged over all claims; who has none isn't there
--   :notes    hash, user -> [cause, changed_ms] as JSON
-- ARGV[1]  the channel of changes        ARGV[2]  a name for the next epoch, should it begin now
--
-- A claim is how strong it is, as 18 digits of which the first says whether the device is confirmed, and then the
-- device as JSON. Of two claims of one session the greater counts, as in core.presence.merge.

local root, channel = KEYS[1], ARGV[1]
local leases, closing, ended = root .. ':leases', root .. ':closing', root .. ':ended'
local users, notes = root .. ':users', root .. ':notes'
local STRENGTH_DIGITS = 18
-- REBUILD_MS as in office/presence_lease.py; a look that takes a second longer than it should says the same.
local STANDSTILL_MS, REBUILD_MS = 2000, 4500

local function node_key(incarnation) return root .. ':node:' .. incarnation end
local function user_key(user) return root .. ':user:' .. user end
local function field(session, incarnation) return session .. '|' .. incarnation end
local function digits(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- The content is believed only within the life of the Redis process that wrote it. A restart may have brought back an
-- old file, and a replica that was promoted may lack the last writes, with versions that count up a second time. Then
-- everything is forgotten and a new epoch begins: nodes find their leases lost, and write down again who is there.
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local state = redis.call('HMGET', root, 'epoch', 'run_id', 'began_ms', 'seen_ms')
local epoch = state[1]
if not epoch or state[2] ~= run_id then
    for _, incarnation in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
        for _, user in ipairs(redis.call('HVALS', node_key(incarnation))) do
            redis.call('UNLINK', user_key(user))
        end
        redis.call('UNLINK', node_key(incarnation))
    end
    redis.call('UNLINK', root, leases, closing, ended, users, notes)
    epoch = ARGV[2]
    redis.call('HSET', root, 'epoch', epoch, 'began_ms', digits(now_ms), 'version', 0, 'run_id', run_id)
    redis.call('SPUBLISH', channel, '[' .. cjson.encode(epoch) .. ',0,[]]')
elseif state[3] and state[4] then
    -- Nodes that write an epoch down look every second. When nobody could for longer, Redis stood still, and they have
    -- not had their time: for a node that starts now, the epoch is as if it had just begun.
    local began_ms, seen_ms = tonumber(state[3]), tonumber(state[4])
    if now_ms - seen_ms > STANDSTILL_MS and seen_ms - began_ms < REBUILD_MS then
        redis.call('HSET', root, 'began_ms', digits(now_ms))
    end
end
redis.call('HSET', root, 'seen_ms', digits(now_ms))

-- A lease is a time in a sorted set and no key that expires: it runs out by the same clock, depends on no expiry or
-- eviction, and the reaper finds the lost ones without looking at the others.
local function is_living(incarnation)
    local ends_ms = redis.call('ZSCORE', leases, incarnation)
    return ends_ms and tonumber(ends_ms) > now_ms and redis.call('SISMEMBER', closing, incarnation) == 0
end

local function merged_devices(user)
    local claims = redis.call('HGETALL', user_key(user))
    local strongest, sessions, devices = {}, {}, {}
    for at = 1, #claims, 2 do
        local session, claim = string.match(claims[at], '^[^|]*'), claims[at + 1]
        if not strongest[session] then sessions[#sessions + 1] = session end
        if not strongest[session] or claim > strongest[session] then strongest[session] = claim end
    end
    table.sort(sessions)
    for at, session in ipairs(sessions) do devices[at] = string.sub(strongest[session], STRENGTH_DIGITS + 1) end
    return '[' .. table.concat(devices, ',') .. ']'
end

-- Users that were touched, in order. `sample` is one of their devices: it says whose they are when none is left.
local touched, order = {}, {}
local function touch(user, cause, claim)
    if not touched[user] then order[#order + 1] = user end
    touched[user] = { cause = cause, sample = string.sub(claim, STRENGTH_DIGITS + 1) }
end

local function take_away(incarnation, session, user, cause)
    local claim = redis.call('HGET', user_key(user), field(session, incarnation))
    redis.call('HDEL', node_key(incarnation), session)
    redis.call('HDEL', user_key(user), field(session, incarnation))
    if claim then touch(user, cause, claim) end
end

-- Merge the touched users anew, and publish those who differ as one change.
local function settle()
    local changed = {}
    for _, user in ipairs(order) do
        local devices, cause = merged_devices(user), cjson.encode(touched[user].cause)
        if devices ~= (redis.call('HGET', users, user) or '[]') then
            if devices == '[]' then
                redis.call('HDEL', users, user)
                redis.call('HDEL', notes, user)
            else
                redis.call('HSET', users, user, devices)
                redis.call('HSET', notes, user, '[' .. cause .. ',' .. digits(now_ms) .. ']')
            end
            changed[#changed + 1] = '[' .. table.concat(
                { cjson.encode(user), cause, digits(now_ms), touched[user].sample, devices }, ',') .. ']'
        end
    end
    if #changed > 0 then
        local version = redis.call('HINCRBY', root, 'version', 1)
        redis.call('SPUBLISH', channel,
            '[' .. cjson.encode(epoch) .. ',' .. digits(version) .. ',[' .. table.concat(changed, ',') .. ']]')
    end
end
