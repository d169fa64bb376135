-- Give the time by Redis' own clock, in ms.
return digits(now_ms)
