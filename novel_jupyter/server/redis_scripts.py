"""What a Redis does for the store in one step each: the scripts, and how a session lies in its keys.

Law: a script is one operation, whole or not at all (nothing can fail after its first write but a key of a
wrong type); all its keys are of one session and in KEYS; what it does for one call is bounded. Bodies are
opaque: they come as arguments and leave as one blob behind their lengths, since a reply of many pieces is
slow to take apart. Numbers that are compared as text are padded; arithmetic stays below 2^53.

    meta      hash     epoch seq hash, floor floor_hash, the listing data, salt, cids ticks (two counters)
    log       stream   one entry per event, its id is <sequence_id>-0: h = hash, b = body
    clients   hash     <principal><client_id> → cid(10) floor(16) top(16) tick(13) kept
    recent    sorted   all scores 0: <principal> tick(13) <client_id>: a principal's oldest client first
    oldest    sorted   <principal> → clients * 2^40 - tick of the oldest: the highest loses one first (S5)
    results   sorted   all scores 0: cid(10) n(16) : <length of digest>:<digest><body>
    snaps     hash     sequence_id → <length of hash>:<hash><body>
    touch     string   see TOUCH
    index, pending     two sorted sets for each list of sessions, see `redis_queries.MARK`

`<principal>` is its length in bytes, a colon, and itself: none is the beginning of another.
Parts: what several scripts share (TOUCH, ENTRIES, POINT), and the scripts that write a log, `APPEND` and
`CREATE`. The others are in `redis_queries`.
"""

from __future__ import annotations

from typing import Final

from .ports import CLIENTS_KEPT, RESULTS_KEPT
from .redis_wire import Script

FORGET_AT_ONCE: Final = 64
"""Results are forgotten in lots, so that a busy client does not cost a deletion for each command."""

# Before replicas have what is read, a reader must not see it: WAIT waits for writes of its own connection
# only, so a reader writes something. It takes no memory: reading has to work when there is none left.
TOUCH: Final = """
local function touch(strict)
    if strict ~= '1' then return end
    if redis.call('EXISTS', KEYS[1]) == 1 then
        redis.call('PEXPIRE', KEYS[1], 86400000)
        redis.call('PERSIST', KEYS[1])
    else
        redis.call('SET', KEYS[2], '', 'PX', 1000)
    end
end
"""

# Entries after `after`, at most `limit` and about `most` bytes but at least one, as lengths and one blob.
ENTRIES: Final = """
local function entries(log, after, head, limit, most)
    local lengths, blob, size, lot = {}, {}, 0, 4
    while after < head and #lengths < limit and size < most do
        local from, count = string.format('%d-0', after + 1), math.min(lot, limit - #lengths)
        local rows = redis.call('XRANGE', log, from, '+', 'COUNT', count)
        for i = 1, #rows do
            if size >= most or rows[i][1] ~= string.format('%d-0', after + 1) then break end
            local hash, body = rows[i][2][2], rows[i][2][4]
            lengths[#lengths + 1] = #hash .. ':' .. #body
            blob[#blob + 1] = hash
            blob[#blob + 1] = body
            size, after = size + #body, after + 1
        end
        if #rows == 0 or (size < most and after < head and
                rows[#rows][1] ~= string.format('%d-0', after)) then
            return redis.error_reply('DAMAGED entry ' .. string.format('%d', after + 1) .. ' is missing')
        end
        lot = math.min(lot * 2, 128)
    end
    return {table.concat(lengths, ','), table.concat(blob)}
end
"""

# Whether a head, told by number and hash, lies on the stored history.
POINT: Final = """
local function is_point(log, meta, at, hash)
    local seq, floor = tonumber(meta.seq), tonumber(meta.floor)
    if at < floor or at > seq then return false end
    if at == seq then return hash == meta.hash end
    if at == 0 then return true end
    if at == floor then return hash == meta.floor_hash end
    local id = string.format('%d-0', at)
    local rows = redis.call('XRANGE', log, id, id)
    return rows[1] ~= nil and rows[1][2][2] == hash
end
"""

# What append and create have in common: write the entries, results and listing data that begin at ARGV[at].
# KEYS: meta, touch, log, clients, recent, oldest, results.
_WRITE: Final = f"""
local META, LOG, CLIENTS, RECENT, OLDEST, RESULTS = KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]

local function read_client(field)
    local raw = redis.call('HGET', CLIENTS, field)
    return raw and {{cid = raw:sub(1, 10), floor = tonumber(raw:sub(11, 26)), top = tonumber(raw:sub(27, 42)),
        tick = tonumber(raw:sub(43, 55)), kept = tonumber(raw:sub(56)), added = 0}}
end

local function write_client(field, c)
    redis.call('HSET', CLIENTS, field, string.format('%s%016.0f%016.0f%013.0f%d',
        c.cid, c.floor, c.top, c.tick, c.kept))
end

local function first_of(principal)
    local from, to = '[' .. principal .. '0', '(' .. principal .. ':'
    return redis.call('ZRANGEBYLEX', RECENT, from, to, 'LIMIT', 0, 1)[1]
end

local function count_of(principal)
    local score = redis.call('ZSCORE', OLDEST, principal)
    return score and math.floor(tonumber(score) / 2^40) + 1 or 0
end

local function rank(principal, count)
    if count == 0 then
        redis.call('ZREM', OLDEST, principal)
    else
        local tick = tonumber(first_of(principal):sub(#principal + 1, #principal + 13))
        redis.call('ZADD', OLDEST, string.format('%.0f', count * 2^40 - tick), principal)
    end
end

-- The client was used: it is the youngest of its principal.
local function use(c, tick)
    local count = count_of(c.principal)
    if c.tick then
        redis.call('ZREM', RECENT, c.principal .. string.format('%013.0f', c.tick) .. c.client)
    else
        count = count + 1
    end
    c.tick = tick
    redis.call('ZADD', RECENT, 0, c.principal .. string.format('%013.0f', tick) .. c.client)
    rank(c.principal, count)
end

local function forget_results(c)
    if c.kept < {RESULTS_KEPT + FORGET_AT_ONCE} then return end
    local last = redis.call('ZREVRANGEBYLEX', RESULTS, '(' .. c.cid .. ':', '[' .. c.cid,
        'LIMIT', {RESULTS_KEPT}, 1)[1]
    redis.call('ZREMRANGEBYLEX', RESULTS, '[' .. c.cid, '(' .. last:sub(1, 26) .. ';')
    c.floor, c.kept = math.max(c.floor, tonumber(last:sub(11, 26))), {RESULTS_KEPT}
end

-- Whose clients are the oldest of their own go first: nobody's churn costs another's memory.
local function forget_client()
    local principal = redis.call('ZREVRANGE', OLDEST, 0, 0)[1]
    local count, first = count_of(principal), first_of(principal)
    local field = principal .. first:sub(#principal + 14)
    local cid = redis.call('HGET', CLIENTS, field):sub(1, 10)
    redis.call('HDEL', CLIENTS, field)
    redis.call('ZREM', RECENT, first)
    redis.call('ZREMRANGEBYLEX', RESULTS, '[' .. cid, '(' .. cid .. ':')
    rank(principal, count - 1)
end

local function write(at, known, meta)
    local entries, results, info = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 3
    for i = 1, entries do
        redis.call('XADD', LOG, ARGV[at] .. '-0', 'h', ARGV[at + 1], 'b', ARGV[at + 2])
        at = at + 3
    end
    local cids, ticks = tonumber(meta.cids), tonumber(meta.ticks)
    local old, new = {{}}, {{}}
    for i = 1, results do
        local principal, client, n = ARGV[at], ARGV[at + 1], ARGV[at + 2]
        local field = principal .. client
        local c = known[field]
        if not c then
            c = {{cid = string.format('%010.0f', cids), floor = 0, top = 0, kept = 0, added = 0}}
            cids = cids + 1
            known[field], new[#new + 1] = c, field
        elseif c.tick and c.added == 0 then
            old[#old + 1] = field
        end
        c.principal, c.client, c.added, c.kept = principal, client, c.added + 1, c.kept + 1
        c.top = math.max(c.top, tonumber(n))
        redis.call('ZADD', RESULTS, 0, c.cid .. n .. ':' .. ARGV[at + 3])
        at = at + 4
    end
    table.sort(old, function(a, b) return tonumber(known[a].cid) < tonumber(known[b].cid) end)
    for _, fields in ipairs({{old, new}}) do
        for _, field in ipairs(fields) do
            local c = known[field]
            forget_results(c)
            if not c.tick or c.tick ~= ticks then
                ticks = ticks + 1
                use(c, ticks)
            end
            write_client(field, c)
        end
    end
    if #new > 0 then
        for i = 1, redis.call('HLEN', CLIENTS) - {CLIENTS_KEPT} do forget_client() end
    end
    if results > 0 then
        redis.call('HSET', META, 'cids', string.format('%.0f', cids), 'ticks', string.format('%.0f', ticks))
    end
    for i = 1, info do
        redis.call('HSET', META, ARGV[at], ARGV[at + 1])
        at = at + 2
    end
    return at
end
"""

# ARGV: strict, epoch seq hash as expected, epoch seq hash afterwards, bounds of what is missed, channel and
# announcement or two empty ones; entries results info, their numbers and themselves.
# Answers 0 (no such session), what the listing said before if that changes, or what makes this append late.
APPEND: Final = Script(
    TOUCH
    + ENTRIES
    + POINT
    + _WRITE
    + """
local fields = {'epoch', 'seq', 'hash', 'floor', 'floor_hash', 'cids', 'ticks', 'last_activity', 'members'}
local meta = {}
for i, value in ipairs(redis.call('HMGET', META, unpack(fields))) do meta[fields[i]] = value end
if not meta.epoch then
    touch(ARGV[1])
    return 0
end
local at, known, spent = 12, {}, {}
local first = at + 3 + 3 * tonumber(ARGV[at])
for i = 1, tonumber(ARGV[at + 1]) do
    local a = first + 4 * (i - 1)
    local field, n = ARGV[a] .. ARGV[a + 1], tonumber(ARGV[a + 2])
    if known[field] == nil then known[field] = read_client(field) end
    local c = known[field]
    if c and n <= c.top then
        local from = c.cid .. ARGV[a + 2]
        if n <= c.floor or #redis.call('ZRANGEBYLEX', RESULTS, '[' .. from, '(' .. from .. ';') > 0 then
            spent[#spent + 1] = i
        end
    end
end
if ARGV[2] ~= meta.epoch or ARGV[3] ~= meta.seq or ARGV[4] ~= meta.hash or #spent > 0 then
    touch(ARGV[1])
    local from, lost = tonumber(ARGV[3]), {}
    local told = {'', ''}
    local on_it = is_point(LOG, meta, from, ARGV[4])
    if on_it then told = entries(LOG, from, tonumber(meta.seq), tonumber(ARGV[8]), tonumber(ARGV[9])) end
    if told.err then return told end
    return {meta.epoch, meta.seq, meta.hash, on_it and 0 or 1, table.concat(spent, ','), told[1], told[2]}
end
write(at, known, meta)
redis.call('HSET', META, 'epoch', ARGV[5], 'seq', ARGV[6], 'hash', ARGV[7])
if ARGV[10] ~= '' then redis.call('SPUBLISH', ARGV[10], ARGV[11]) end
return ARGV[at + 2] == '0' and {} or {meta.last_activity, meta.members}
"""
)

# KEYS: those of _WRITE, then snaps. ARGV: strict, snapshot's number and record or two empty ones; as _WRITE.
# The first of the listing data are what never changes again. Answers 0 (the id is taken) or 1.
CREATE: Final = Script(
    TOUCH
    + _WRITE
    + """
if redis.call('HEXISTS', META, 'epoch') == 1 then
    touch(ARGV[1])
    return 0
end
redis.call('UNLINK', unpack(KEYS))
write(4, {}, {cids = 0, ticks = 0})
redis.call('HSETNX', META, 'cids', 0)
redis.call('HSETNX', META, 'ticks', 0)
if ARGV[2] ~= '' then redis.call('HSET', KEYS[8], ARGV[2], ARGV[3]) end
return 1
"""
)
