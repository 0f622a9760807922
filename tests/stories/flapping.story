# A memory alert that comes and goes: one incident, three messages, whatever it does in between.
graph shop>cart
until 50m
0s   alert M/1 cart CartDown
2m   resolved M/1
3m   alert M/2 cart CartDown
5m   resolved M/2
6m   alert M/3 cart CartDown
8m   resolved M/3
9m   alert M/4 cart CartDown
11m  resolved M/4
19m  alert M/5 cart CartDown       # within the doubled hold
20m  resolved M/5
expect
30s #1 opened warning cause=? [M/1] cart: CartDown
9m #1 flapping warning cause=? [M/1 M/2 M/3 M/4] cart: CartDown
30m #1 resolved warning cause=? [M/1 M/2 M/3 M/4 M/5] cart: CartDown
end #1 resolved warning cause=? [M/1 M/2 M/3 M/4 M/5] cart: CartDown
