import { createHash } from 'node:crypto';
import { QUOTA_GRACE_MS } from '../calendar.js';

/**
 * The whole decision of the limit phase, run inside Redis.
 *
 * Why a script: a decision reads several keys and writes them only if all of them allow it. Read-then-write
 * from the client admits too many under concurrency, MULTI cannot look at what it read, and WATCH would
 * retry exactly when a key is busiest. A script runs alone, in one round trip, with the server's clock, and
 * all its reads come before its first write, so a failing read (WRONGTYPE) changes nothing.
 * Redis 7.0 subset: GET, SET PX/PXAT, INCR, TIME. Numbers are integers below 2^53 and are written with %.0f, since
 * Lua's own conversion keeps 14 digits. The arithmetic is that of ../gcra.ts.
 *
 * KEYS, all with the decision's `{tag}`:
 * | key | present | holds |
 * |---|---|---|
 * | replay marker | when ARGV[3] > 0 | the token of the request that set it; expires after ARGV[3] |
 * | one per rate | ARGV[1] times | `tokens ticks ticksPerToken atMicros`; expires when the bucket is full |
 * | one per quota | ARGV[2] times | requests used in the window; expires 27 h after it, Total never |
 *
 * ARGV:
 * | position | meaning |
 * |---|---|
 * | 1, 2 | number of rates, number of quotas |
 * | 3, 4 | marker lifetime in ms (0 = no replay check), token |
 * | 5 per rate | burst, ticks per token, whole tokens per µs, remaining ticks per µs, 1 = shadow |
 * | 4 per quota | limit, window start ms, window end ms (0 = Total), 1 = shadow |
 *
 * Reply, integers: outcome (0 admitted, 1 replayed, 2 rate limited, 3 quota exceeded, 4 stale window), server
 * time in ms; then unless replayed or stale: tokens, ticks, exceeded per rate; used, exceeded per quota.
 * "Stale window": the caller's idea of the time put the server's clock outside a window; nothing was read or
 * written, the caller computes the windows again from the time in the reply. A marker that holds the caller's own token means that this very request
 * was admitted and charged before: it is admitted again and not charged again.
 */
export const ADMIT_SCRIPT = `
local PRECISE = 9007199254740992
local QUOTA_GRACE_MS = ${QUOTA_GRACE_MS}
local RATE_GRACE_MS = 1000
local MAX_TTL_MS = 315360000000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local nowMs = math.floor(now / 1000)
local rateCount, quotaCount = tonumber(ARGV[1]), tonumber(ARGV[2])
local markerTtl, token = tonumber(ARGV[3]), ARGV[4]
local firstQuota = 5 + rateCount * 5

for i = 0, quotaCount - 1 do
  local start, finish = tonumber(ARGV[firstQuota + i * 4 + 1]), tonumber(ARGV[firstQuota + i * 4 + 2])
  if finish > 0 and (nowMs < start or nowMs >= finish) then return {4, nowMs} end
end

local keyIndex = 0
local counted = false
if markerTtl > 0 then
  keyIndex = 1
  local holder = redis.call('GET', KEYS[1])
  counted = holder == token
  if holder and not counted then return {1, nowMs} end
end

-- floor(a * b / m) and remainder, for a, b < m; by shift and add where the product passes 2^53
local function multiplyDivide(a, b, m)
  local product = a * b
  if product <= PRECISE then
    local remainder = math.fmod(product, m)
    return (product - remainder) / m, remainder
  end
  local quotient, remainder, bit = 0, 0, 1
  while bit * 2 <= b do bit = bit * 2 end
  while bit >= 1 do
    quotient, remainder = quotient * 2, remainder * 2
    if remainder >= m then quotient, remainder = quotient + 1, remainder - m end
    if b >= bit then
      b, remainder = b - bit, remainder + a
      if remainder >= m then quotient, remainder = quotient + 1, remainder - m end
    end
    bit = bit / 2
  end
  return quotient, remainder
end

local function drain(tokens, ticks, elapsed, burst, perToken, whole, rest)
  local spare = math.fmod(elapsed, perToken)
  local paid = elapsed * whole + (elapsed - spare) / perToken * rest
  if paid >= tokens + 1 then return 0, 0 end
  local moreTokens, moreTicks = multiplyDivide(spare, rest, perToken)
  tokens, ticks = tokens - paid - moreTokens, ticks - moreTicks
  if ticks < 0 then tokens, ticks = tokens - 1, ticks + perToken end
  if tokens < 0 then return 0, 0 end
  if tokens >= burst then return burst, 0 end
  return tokens, ticks
end

local outcome = 0
local rates = {}
for i = 1, rateCount do
  local at = i * 5
  local burst, perToken, whole, rest = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local shadow = ARGV[at + 4] == '1'
  local tokens, ticks, rebase = 0, 0, false
  local key = KEYS[keyIndex + i]
  local state = redis.call('GET', key)
  if state then
    local since, oldPerToken
    tokens, ticks, oldPerToken, since = string.match(state, '^(%d+) (%d+) (%d+) (%d+)$')
    tokens, ticks, oldPerToken, since = tonumber(tokens), tonumber(ticks), tonumber(oldPerToken), tonumber(since)
    rebase = since > now -- the clock was set back: without this, nothing would drain until it catches up
    if ticks > 0 and oldPerToken ~= perToken then tokens, ticks = tokens + 1, 0 end
    tokens, ticks = drain(tokens, ticks, math.max(0, now - since), burst, perToken, whole, rest)
  end
  local missing = tokens
  if ticks > 0 then missing = missing + 1 end
  local exceeded = missing >= burst
  if exceeded and not shadow then outcome = 2 end
  rates[i] = {key = key, tokens = tokens, ticks = ticks, exceeded = exceeded, rebase = rebase,
    perToken = perToken, perMicro = whole * perToken + rest}
end

local quotas = {}
for i = 1, quotaCount do
  local at = firstQuota + (i - 1) * 4
  local key = KEYS[keyIndex + rateCount + i]
  local used = tonumber(redis.call('GET', key) or '0')
  local exceeded = used >= tonumber(ARGV[at])
  if exceeded and ARGV[at + 3] ~= '1' and outcome == 0 then outcome = 3 end
  quotas[i] = {key = key, used = used, exceeded = exceeded, finish = tonumber(ARGV[at + 2])}
end

local function save(rate)
  local fullMs = math.ceil((rate.tokens * rate.perToken + rate.ticks) / rate.perMicro / 1000)
  redis.call('SET', rate.key, string.format('%.0f %.0f %.0f %.0f', rate.tokens, rate.ticks, rate.perToken, now),
    'PX', string.format('%.0f', math.min(fullMs + RATE_GRACE_MS, MAX_TTL_MS)))
end

if counted then outcome = 0 end
local charge = outcome == 0 and not counted
if charge and markerTtl > 0 then redis.call('SET', KEYS[1], token, 'PX', ARGV[3]) end
for _, rate in ipairs(rates) do
  local spend = charge and not rate.exceeded
  if spend then rate.tokens = rate.tokens + 1 end
  if spend or (rate.rebase and rate.tokens > 0) then save(rate) end
end
if charge then
  for _, quota in ipairs(quotas) do
    quota.used = quota.used + 1
    if quota.used > 1 then
      redis.call('INCR', quota.key) -- keeps the expiry
    elseif quota.finish > 0 then
      redis.call('SET', quota.key, '1', 'PXAT', string.format('%.0f', quota.finish + QUOTA_GRACE_MS))
    else
      redis.call('SET', quota.key, '1')
    end
  end
end

local reply = {outcome, nowMs}
local function add(value) reply[#reply + 1] = value end
for _, rate in ipairs(rates) do
  add(rate.tokens)
  add(rate.ticks)
  add((rate.exceeded and not counted) and 1 or 0)
end
for _, quota in ipairs(quotas) do
  add(quota.used)
  add((quota.exceeded and not counted) and 1 or 0)
end
return reply
`;

export const ADMIT_SCRIPT_SHA1 = createHash('sha1').update(ADMIT_SCRIPT).digest('hex');
