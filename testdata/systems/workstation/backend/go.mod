module example.com/workstation/backend

go 1.19
