# More incidents than anybody can look at: the newest become one, said aloud.
set max_active=3
until 7m
0s   alert A a DOWN
2m30s alert B b DOWN
5m   alert C c DOWN
5m1s graph a>x b>y c>z d>w e>v f>u
5m10s alert D d DOWN
5m12s alert E e DOWN
5m14s alert F f DOWN
expect
30s #1 opened critical cause=? [A] a: DOWN
3m #2 opened critical cause=? [B] b: DOWN
5m34s #3 opened critical cause=? [C] c: DOWN
5m44s #4 opened critical cause=? [D E F] storm, too many incidents at once: d: DOWN and 2 more services
end #1 open critical cause=? [A] a: DOWN
end #2 open critical cause=? [B] b: DOWN
end #3 open critical cause=? [C] c: DOWN
end #4 open critical cause=? [D E F] storm, too many incidents at once: d: DOWN and 2 more services
counted 2 incidents merged into a storm
