# The same alert again after its incident is over: a new incident.
graph shop>cart
until 14m
0s   alert A/1 cart CartDown
1m   resolved A/1
6m30s alert A/2 cart CartDown
expect
30s #1 opened warning cause=? [A/1] cart: CartDown
6m #1 resolved warning cause=? [A/1] cart: CartDown
7m #2 opened warning cause=? [A/2] cart: CartDown
end #1 resolved warning cause=? [A/1] cart: CartDown
end #2 open warning cause=? [A/2] cart: CartDown
