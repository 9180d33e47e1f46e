// Prints the SHA-256 of each argument.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
)

func main() {
	for _, text := range os.Args[1:] {
		fmt.Printf("%x on %s\n", sha256.Sum256([]byte(text)), runtime.GOARCH)
	}
}
