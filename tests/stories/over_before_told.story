# A blip that is over before the group wait is over is counted, and its evidence waits on.
graph shop>cart
until 3m
0s   evidence cpu cart cpu_cores 0.9 0.2
0s   anomaly blip shop latency_p95 2 0.5
20s  ended blip
1m   anomaly slow cart latency_p95 2 0.5
expect
1m30s #1 opened warning cause=? [slow +cpu] cart: p95 latency 2 s (4.0x)
end #1 open warning cause=? [slow +cpu] cart: p95 latency 2 s (4.0x)
counted 1 over before the group wait
