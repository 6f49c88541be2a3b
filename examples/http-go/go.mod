module provider.example/http-go

go 1.24
