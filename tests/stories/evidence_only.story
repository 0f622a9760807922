# What may not page waits for an incident near it, for a quarter of an hour.
graph shop>cart cart>db mail>smtp
until 40m
0s   evidence cpu db cpu_cores 0.9 0.2
1m   evidence disk smtp disk_used_ratio 0.9 0.2
10m  anomaly slow shop latency_p95 2 0.5
11m  evidence heap cart memory_used_ratio 0.9 0.2
20m  ended slow                         # the evidence goes on: it does not hold the incident
expect
10m30s #1 opened warning cause=? [slow +cpu] shop: p95 latency 2 s (4.0x)
25m #1 resolved warning cause=? [slow +cpu +heap] shop: p95 latency 2 s (4.0x)
end #1 resolved warning cause=? [slow +cpu +heap] shop: p95 latency 2 s (4.0x)
counted 1 evidence that joined nothing
