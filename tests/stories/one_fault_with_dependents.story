# payments is slow; its callers suffer. One incident, told once, with the deploy that caused it.
graph gateway>checkout checkout>payments payments>db
until 12m
0s   rank payments
0s   deploy v2 payments v2.3.1
1m   anomaly slow payments latency_p95 1.9 0.3
1m10s anomaly felt checkout latency_p95 2.1 0.4
1m20s anomaly errors gateway error_ratio 0.06 0.001
1m20s evidence cpu payments cpu_cores 0.9 0.2
1m40s alert A1 gateway HighErrorRate since=1m20s
5m   ended slow
5m   ended felt
5m   ended errors
5m5s ended cpu
6m   resolved A1
expect
1m30s #1 opened critical cause=payments [slow felt errors +cpu +v2] gateway: error ratio 6% (60x) and 2 more services
11m #1 resolved critical cause=payments [slow felt errors A1 +cpu +v2] gateway: error ratio 6% (60x) and 2 more services
end #1 resolved critical cause=payments [slow felt errors A1 +cpu +v2] gateway: error ratio 6% (60x) and 2 more services
