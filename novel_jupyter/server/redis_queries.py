"""The scripts of the store that write no log: reading, snapshots, deleting, and the rows of listings.

Law: that of `redis_scripts`, which says how a session lies in its keys.
Parts: `Script` constants, one for each operation.
"""

from __future__ import annotations

from typing import Final

from .ports import SNAPSHOTS_KEPT
from .redis_scripts import ENTRIES, POINT, TOUCH
from .redis_wire import Script

PENDING_SECONDS: Final = 3600

# KEYS: meta, touch. ARGV: strict, fields. Answers their values, or 0.
LOOK: Final = Script(
    TOUCH
    + """
touch(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 2))
"""
)

# KEYS: meta, touch, log. ARGV: strict, after, limit, bytes. Answers 0, the floor alone, or lengths and blob.
READ: Final = Script(
    TOUCH
    + ENTRIES
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
    TOUCH
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
    TOUCH
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
    TOUCH
    + POINT
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

# KEYS: meta, touch, snaps. ARGV: strict, number or an empty one. Answers 0, nothing, or epoch number record.
SNAPSHOT: Final = Script(
    TOUCH
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
    TOUCH
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

# KEYS: as MARK. ARGV: a row that its own writer takes back.
UNMARK: Final = Script(
    """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
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
