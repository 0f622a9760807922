# Words in the wrong order: a resolve before its firing, an end before the begin, an update after the end.
graph shop>cart
until 12m
0s   alert L cart CartDown
0s   anomaly slow cart latency_p95 2 0.5
1m   ended slow
1m5s resolved L since=50s
2m   alert L cart CartDown since=0s
2m   anomaly slow cart latency_p95 2 0.5 since=0s
expect
30s #1 opened warning cause=? [slow L] cart: p95 latency 2 s (4.0x)
6m5s #1 resolved warning cause=? [slow L] cart: p95 latency 2 s (4.0x)
end #1 resolved warning cause=? [slow L] cart: p95 latency 2 s (4.0x)
counted 1 late
