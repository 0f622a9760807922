# Two faults far apart in the graph, and one in a service the graph does not know: three incidents.
graph gateway>checkout checkout>payments payments>ledger ledger>archive search>index
until 2m
0s   rank payments
0s   anomaly a gateway latency_p95 2 0.5
5s   anomaly b ledger latency_p95 3 0.5
5s   rank index
10s  alert I index IndexLag
10s  alert X batch NightlyJobFailed
expect
30s #1 opened warning cause=index [a] gateway: p95 latency 2 s (4.0x)
35s #2 opened warning cause=index [b] ledger: p95 latency 3 s (6.0x)
40s #3 opened warning cause=index [I] index: IndexLag
40s #4 opened warning cause=index [X] batch: NightlyJobFailed
end #1 open warning cause=index [a] gateway: p95 latency 2 s (4.0x)
end #2 open warning cause=index [b] ledger: p95 latency 3 s (6.0x)
end #3 open warning cause=index [I] index: IndexLag
end #4 open warning cause=index [X] batch: NightlyJobFailed
