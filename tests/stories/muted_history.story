# History is recorded, not told. What still goes on when the present begins is told; what is over is not.
graph shop>cart mail>smtp
until 20m
0s   muted history
0s   anomaly old smtp latency_p95 2 0.5
0s   anomaly slow cart latency_p95 2 0.5
5m   ended old
12m  muted
12m  again slow
expect
12m #1 opened warning cause=? [slow] cart: p95 latency 2 s (4.0x)
end #2 resolved warning cause=? muted=history [old] smtp: p95 latency 2 s (4.0x)
end #1 open warning cause=? [slow] cart: p95 latency 2 s (4.0x)
