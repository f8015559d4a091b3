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
    index, pending     two sorted sets for each list of sessions, see MARK

`<principal>` is its length in bytes, a colon, and itself: none is the beginning of another.
Parts: `Script` constants, one for each operation of the store.
"""

from __future__ import annotations

from typing import Final

from .ports import CLIENTS_KEPT, RESULTS_KEPT, SNAPSHOTS_KEPT
from .redis_wire import Script

FORGET_AT_ONCE: Final = 64
"""Results are forgotten in lots, so that a busy client does not cost a deletion for each command."""

PENDING_SECONDS: Final = 3600

# Before replicas have what is read, a reader must not see it: WAIT waits for writes of its own connection
# only, so a reader writes something. It takes no memory: reading has to work when there is none left.
_TOUCH: Final = """
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
_ENTRIES: Final = """
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
_POINT: Final = """
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
# Answers 0 (no such session), 1 and what the listing said before, or what makes this append late.
APPEND: Final = Script(
    _TOUCH
    + _ENTRIES
    + _POINT
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
return {1, meta.last_activity, meta.members}
"""
)

# KEYS: those of _WRITE, then snaps. ARGV: strict, snapshot's number and record or two empty ones; as _WRITE.
# The first of the listing data are what never changes again. Answers 0 (the id is taken) or 1.
CREATE: Final = Script(
    _TOUCH
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

# KEYS: meta, touch. ARGV: strict, fields. Answers their values, or 0.
LOOK: Final = Script(
    _TOUCH
    + """
touch(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 2))
"""
)

# KEYS: meta, touch, log. ARGV: strict, after, limit, bytes. Answers 0, the floor alone, or lengths and blob.
READ: Final = Script(
    _TOUCH
    + _ENTRIES
    + """
touch(ARGV[1])
local meta = redis.call('HMGET', KEYS[1], 'seq', 'floor')
if not meta[1] then return 0 end
local after = tonumber(ARGV[2])
if after < tonumber(meta[2]) then return {meta[2]} end
return entries(KEYS[3], after, tonumber(meta[1]), tonumber(ARGV[3]), tonumber(ARGV[4]))
"""
)

# KEYS: meta, touch, clients, results. ARGV: strict, client, cid and n of the page before or two empty ones,
# how many, bytes. Answers 0, or: is there more, cid, lengths, blob; the highest n first.
RESULTS: Final = Script(
    _TOUCH
    + """
touch(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local raw = redis.call('HGET', KEYS[3], ARGV[2])
local cid = raw and raw:sub(1, 10)
if not cid or (ARGV[3] ~= '' and ARGV[3] ~= cid) then return {0, '', '', ''} end
local upper, limit, most = '(' .. cid .. ':', tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[4] ~= '' then upper = '(' .. cid .. ARGV[4] end
local lengths, blob, size = {}, {}, 0
while true do
    local count = math.min(32, limit - #lengths)
    if count == 0 then return {0, cid, table.concat(lengths, ','), table.concat(blob)} end
    local rows = redis.call('ZREVRANGEBYLEX', KEYS[4], upper, '[' .. cid, 'LIMIT', 0, count)
    for i = 1, #rows do
        if size >= most then return {1, cid, table.concat(lengths, ','), table.concat(blob)} end
        lengths[#lengths + 1], blob[#blob + 1] = #rows[i], rows[i]
        size = size + #rows[i]
    end
    if #rows < count then return {0, cid, table.concat(lengths, ','), table.concat(blob)} end
    upper = '(' .. rows[#rows]:sub(1, 26)
end
"""
)

# KEYS: meta, touch, clients. ARGV: strict. Answers 0, or lengths and blob of tick(13) <principal><client_id>.
CLIENTS: Final = Script(
    _TOUCH
    + """
touch(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local rows, lengths, blob = redis.call('HGETALL', KEYS[3]), {}, {}
for i = 1, #rows, 2 do
    local item = rows[i + 1]:sub(43, 55) .. rows[i]
    lengths[#lengths + 1], blob[#blob + 1] = #item, item
end
return {table.concat(lengths, ','), table.concat(blob)}
"""
)

# KEYS: meta, touch, log, snaps. ARGV: strict, number, hash, record, entries to keep.
# Answers -1 (no such session), 0 (no point of this history) or 1.
PUT_SNAPSHOT: Final = Script(
    _TOUCH
    + _POINT
    + f"""
local fields = {{'seq', 'hash', 'floor', 'floor_hash'}}
local meta = {{}}
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do meta[fields[i]] = value end
if not meta.seq or not is_point(KEYS[3], meta, tonumber(ARGV[2]), ARGV[3]) then
    touch(ARGV[1])
    return meta.seq and 0 or -1
end
redis.call('HSET', KEYS[4], ARGV[2], ARGV[4])

local function numbers()
    local found = redis.call('HKEYS', KEYS[4])
    table.sort(found, function(a, b) return tonumber(a) < tonumber(b) end)
    return found
end

local kept = numbers()
if #kept > {SNAPSHOTS_KEPT} then
    -- Never the newest, nor the one on which the log stands; of the others the one in the closest company.
    local worst, least
    for i = 1, #kept - 1 do
        local span = tonumber(kept[i + 1]) - tonumber(kept[i - 1] or 0)
        if kept[i] ~= meta.floor and (not least or span < least) then worst, least = kept[i], span end
    end
    redis.call('HDEL', KEYS[4], worst)
end
local keep = tonumber(ARGV[5])
if keep > 0 then
    local floor
    kept = numbers()
    for _, at in ipairs(kept) do
        if tonumber(at) <= tonumber(meta.seq) - keep then floor = at end
    end
    if floor and tonumber(floor) > tonumber(meta.floor) then
        local record = redis.call('HGET', KEYS[4], floor)
        local colon = record:find(':', 1, true)
        local hash = record:sub(colon + 1, colon + tonumber(record:sub(1, colon - 1)))
        redis.call('HSET', KEYS[1], 'floor', floor, 'floor_hash', hash)
        for _, at in ipairs(kept) do
            if tonumber(at) < tonumber(floor) then redis.call('HDEL', KEYS[4], at) end
        end
        meta.floor = floor
    end
    -- What lies below the floor is not seen any more, so it may go bit by bit.
    if meta.floor ~= '0' then
        redis.call('XTRIM', KEYS[3], 'MINID', '~', string.format('%d-0', tonumber(meta.floor) + 1),
            'LIMIT', 20000)
    end
end
return 1
"""
)

# KEYS: meta, touch, snaps. ARGV: strict, number or an empty one. Answers 0, or epoch, number, record, or nothing.
SNAPSHOT: Final = Script(
    _TOUCH
    + """
touch(ARGV[1])
local epoch, best = redis.call('HGET', KEYS[1], 'epoch'), nil
if not epoch then return 0 end
for _, at in ipairs(redis.call('HKEYS', KEYS[3])) do
    if ARGV[2] == '' or tonumber(at) <= tonumber(ARGV[2]) then
        if not best or tonumber(at) > tonumber(best) then best = at end
    end
end
return best and {epoch, best, redis.call('HGET', KEYS[3], best)} or {}
"""
)

# KEYS: all of the session. ARGV: strict. Answers 0, or what the listing said.
DELETE: Final = Script(
    _TOUCH
    + """
local meta = redis.call('HMGET', KEYS[1], 'last_activity', 'members')
if not meta[1] then
    touch(ARGV[1])
    return 0
end
redis.call('UNLINK', unpack(KEYS))
return meta
"""
)

# A list of sessions has all that may belong to it: a row is written before the append that makes it true,
# and taken away after the one that makes it untrue. KEYS: index (all scores 0: last_activity, a zero byte,
# session id), pending (the rows that nobody has found true yet, with the server's time). ARGV: row.
MARK: Final = Script(
    """
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1], ARGV[1])
return 1
"""
)

# KEYS: as MARK. ARGV: how many rows are true; those, then the ones that are not. A row that was just written
# stays, true or not: the append that makes it true may be on its way.
TIDY: Final = Script(
    f"""
local now, true_ones = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1])
for i = 2, #ARGV do
    local since = redis.call('ZSCORE', KEYS[2], ARGV[i])
    if i <= true_ones + 1 then
        if since then redis.call('ZREM', KEYS[2], ARGV[i]) end
    elseif not since or now - tonumber(since) > {PENDING_SECONDS} then
        redis.call('ZREM', KEYS[1], ARGV[i])
        redis.call('ZREM', KEYS[2], ARGV[i])
    end
end
return 1
"""
)
