module kleidi

go 1.24
