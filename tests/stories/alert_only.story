# Nothing learnt yet, no graph: alerts alone make incidents. One without a service joins the only incident there is.
until 8m
0s   alert A cart CartDown
20s  alert B shop SHOPDOWN
40s  alert N - DiskFull
5m   alert C mail QueueGrows
6m   alert O - LinkDown            # two incidents go on: it may not choose
expect
30s #1 opened critical cause=? [A B] cart: CartDown and 1 more service
5m30s #2 opened warning cause=? [C] mail: QueueGrows
6m30s #3 opened warning cause=? [O] LinkDown
end #1 open critical cause=? [A B N] cart: CartDown and 1 more service
end #2 open warning cause=? [C] mail: QueueGrows
end #3 open warning cause=? [O] LinkDown
