# Deploys of others and deploys long ago are no part of it; the one just before is.
graph shop>cart cart>db mail>smtp
until 1h50m
0s   rank cart
0s   deploy old cart v1
50m  deploy far smtp v7
1h20m deploy near cart v2
1h25m anomaly slow shop latency_p95 2 0.5
1h35m deploy after db v9           # a repair may help to understand
1h43m deploy late db v10
expect
1h25m30s #1 opened warning cause=cart [slow +near] shop: p95 latency 2 s (4.0x)
end #1 open warning cause=cart [slow +near +after] shop: p95 latency 2 s (4.0x)
