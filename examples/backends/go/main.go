// A backend behind the gateway: answers with what it saw, and takes orders only with the gateway's signature.
// Usage: PORT=9000 BACKEND_KEY_ID=… BACKEND_SECRET=… [BACKEND_PREVIOUS_SECRET=…] go run .
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const maxBodyBytes = 4 << 20

func environment(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func main() {
	keyID := environment("BACKEND_KEY_ID", "orders-backend-key")
	keys := []Key{{ID: keyID, Secret: environment("BACKEND_SECRET", "quickstart-backend-secret-001")}}
	if previous := os.Getenv("BACKEND_PREVIOUS_SECRET"); previous != "" {
		keys = append(keys, Key{ID: environment("BACKEND_PREVIOUS_KEY_ID", keyID), Secret: previous})
	}

	listener, err := net.Listen("tcp", "127.0.0.1:"+environment("PORT", "9000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("backend listens on %s\n", listener.Addr())
	// A handler of its own: http.ServeMux would clean the path and redirect before anything is verified.
	server := &http.Server{Handler: answer(keys), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func answer(keys []Key) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, maxBodyBytes))
		if err != nil {
			status := http.StatusBadRequest
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			response.WriteHeader(status)
			return
		}
		signature := VerifyGatewaySignature(request, body, keys, time.Now())
		// To be believed only where signature.Valid: an API without backendSignature sends them unsigned.
		identity := map[string]string{}
		for _, name := range []string{"key-id", "plan", "api", "environment"} {
			if values := request.Header.Values("X-Countersign-" + name); len(values) > 0 {
				identity["x-countersign-"+name] = strings.Join(values, ", ")
			}
		}
		isOrder := request.Method == http.MethodPost && identity["x-countersign-environment"] == "release"

		response.Header().Set("content-type", "application/json")
		if isOrder && !signature.Valid {
			response.WriteHeader(http.StatusForbidden)
		}
		encoder := json.NewEncoder(response)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(map[string]any{
			"method":           request.Method,
			"path":             request.RequestURI,
			"host":             request.Host,
			"bodyBytes":        len(body),
			"gatewaySignature": signature,
			"identity":         identity,
		})
	}
}
