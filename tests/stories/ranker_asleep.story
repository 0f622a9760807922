# No answer within 10 s: the incident is told without a cause.
until 2m
0s   rank never
0s   anomaly slow shop latency_p95 2 0.5
expect
40s #1 opened warning cause=? [slow] shop: p95 latency 2 s (4.0x)
end #1 open warning cause=? [slow] shop: p95 latency 2 s (4.0x)
