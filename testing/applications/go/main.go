// Answers GET / with its name. It sends no telemetry by itself.
package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "go") })
	fmt.Println("listening")
	if err := http.ListenAndServe(":8080", nil); err != nil {
		panic(err)
	}
}
