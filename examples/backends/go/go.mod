module example.com/orders-backend

go 1.21
