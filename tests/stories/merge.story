# Two forming incidents become connected and merge; one that forms joins an open one; two open ones stay two.
graph a>b b>c c>d d>e
until 8m
0s   anomaly a1 a latency_p95 2 0.5
5s   anomaly e1 e latency_p95 2 0.5
10s  anomaly c1 c latency_p95 2 0.5       # connects both
3m   graph a>b b>c c>d d>e e>f f>g g>h
3m   anomaly h1 h latency_p95 2 0.5
4m   anomaly f1 f latency_p95 2 0.5       # two calls from e and from h, both told: it joins the nearest in time
expect
30s #1 opened warning cause=? [a1 e1 c1] a: p95 latency 2 s (4.0x) and 2 more services
3m30s #2 opened warning cause=? [h1] h: p95 latency 2 s (4.0x)
end #1 open warning cause=? [a1 e1 c1 f1] a: p95 latency 2 s (4.0x) and 3 more services
end #2 open warning cause=? [h1] h: p95 latency 2 s (4.0x)
