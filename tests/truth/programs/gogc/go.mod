module gogc

go 1.18
