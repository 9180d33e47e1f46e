// The backend of the workstation: reports its health, and lists the servers of the stack.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"strings"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		log.Fatal("PORT is not set")
	}
	servers := strings.Fields(os.Getenv("SERVERS"))
	http.HandleFunc("/health", func(reply http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(reply, "ok on %s as %d\n", runtime.GOARCH, os.Getuid())
	})
	http.HandleFunc("/servers", func(reply http.ResponseWriter, request *http.Request) {
		fmt.Fprintln(reply, strings.Join(servers, "\n"))
	})
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
