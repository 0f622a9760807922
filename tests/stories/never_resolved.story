# An alert nobody repeats for a day is taken as ended, and the incident says why.
set max_age_s=3600
until 2h30m
0s   alert A cart CartDown
30m  alert A cart CartDown since=0s
expect
30s #1 opened warning cause=? [A] cart: CartDown
1h35m #1 resolved warning cause=? [A] cart: CartDown
end #1 resolved warning cause=? [A] cart: CartDown
counted 1 aged out
