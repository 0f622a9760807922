# Both halves of an HA pair tell everything, and Alertmanager repeats after hours.
graph shop>cart
until 5h5m
0s   alert D cart CartDown
5s   alert D cart CartDown since=0s
10s  anomaly slow cart latency_p95 2 0.5
15s  again slow
4h   alert D cart CartDown since=0s
4h1m resolved D
4h1m5s resolved D since=4h1m
4h1m10s alert D cart CartDown since=0s      # the slower half of the pair
4h2m ended slow
5h   alert D cart CartDown since=0s         # slower still: the incident is over
expect
30s #1 opened warning cause=? [slow D] cart: p95 latency 2 s (4.0x)
4h7m #1 resolved warning cause=? [slow D] cart: p95 latency 2 s (4.0x)
end #1 resolved warning cause=? [slow D] cart: p95 latency 2 s (4.0x)
counted 2 late
