-- Drops caches of text and their entries in the index.
-- KEYS: 1 text index  2 text sizes
-- ARGV: 1.. keys of caches
-- Returns how many of them existed.
local dropped = 0
for _, key in ipairs(ARGV) do dropped = dropped + drop_text_key(KEYS[1], KEYS[2], key) end
return dropped
