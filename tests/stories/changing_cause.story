# The ranker changes its mind. People hear of it once it has said so twice.
graph shop>cart cart>db
until 6m
0s   rank cart
0s   anomaly slow shop latency_p95 2 0.5
40s  rank db
45s  anomaly more cart latency_p95 2 0.5
1m20s rank cart                          # a slip: back before the second ranking
3m   rank db
3m   anomaly most db latency_p95 2 0.5
5m   rank unknown
5m   alert S shop ShopSlow
expect
30s #1 opened warning cause=cart [slow] shop: p95 latency 2 s (4.0x)
3m30s #1 cause-changed warning cause=db [slow more most] shop: p95 latency 2 s (4.0x) and 2 more services
end #1 open warning cause=? [slow more most S] shop: p95 latency 2 s (4.0x) and 2 more services
