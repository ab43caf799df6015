package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Verifies that a request comes from the gateway: SDK-HMAC-SHA256, `backendSignature: {dialect: Huawei}`.
// Standard library only: copy this file. The key is the Secret of the SignatureKey with `usage: Backend`.

const (
	maxClockSkew          = 5 * time.Minute
	previousAuthorization = "x-countersign-previous-authorization"
)

var (
	credentialGrammar = regexp.MustCompile(`^SDK-HMAC-SHA256 Access=([\w-]{1,64}), SignedHeaders=([a-z0-9_;-]+), Signature=([0-9a-f]{64})$`)
	ambiguousEscape   = regexp.MustCompile(`(?i)%2F|%.?$|%[^0-9A-F]|%.[^0-9A-F]`)
)

// Key is one secret that the gateway may sign with.
type Key struct{ ID, Secret string }

// Signature says whether the gateway signed the request, and if not, why.
type Signature struct {
	Valid  bool   `json:"valid"`
	KeyID  string `json:"keyId,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func refuse(format string, arguments ...any) Signature {
	return Signature{Reason: fmt.Sprintf(format, arguments...)}
}

// VerifyGatewaySignature judges a request whose whole body has been read. Pass one key, two while the key rotates.
func VerifyGatewaySignature(request *http.Request, body []byte, keys []Key, now time.Time) Signature {
	headers := map[string][]string{"host": {request.Host}}
	for name, values := range request.Header {
		headers[strings.ToLower(name)] = values
	}
	current, previous := headers["authorization"], headers[previousAuthorization]
	if len(current) == 0 {
		return refuse("none")
	}
	if len(current) > 1 || len(previous) > 1 {
		return refuse("more than one credential")
	}

	// During a rotation the gateway signs with both secrets: whichever this backend has will do.
	result := verifyCredential(current[0], request, headers, body, keys, now)
	if !result.Valid && len(previous) == 1 {
		if older := verifyCredential(previous[0], request, headers, body, keys, now); older.Valid {
			return older
		}
	}
	return result
}

func verifyCredential(credential string, request *http.Request, headers map[string][]string, body []byte, keys []Key, now time.Time) Signature {
	fields := credentialGrammar.FindStringSubmatch(credential)
	if fields == nil {
		return refuse("not an SDK-HMAC-SHA256 credential")
	}
	keyID, signedHeaders := fields[1], fields[2]
	signature, _ := hex.DecodeString(fields[3])

	names := strings.Split(signedHeaders, ";")
	required := []string{"host", "x-sdk-date"}
	for name := range headers {
		// Who is calling is in these headers: one that is not signed is not the gateway's.
		if strings.HasPrefix(name, "x-countersign-") && name != previousAuthorization {
			required = append(required, name)
		}
	}
	for _, name := range required {
		if !slices.Contains(names, name) {
			return refuse("%s is not signed", name)
		}
	}
	var lines strings.Builder
	for _, name := range names {
		if len(headers[name]) != 1 {
			return refuse("signed header %s has to occur once", name)
		}
		lines.WriteString(name + ":" + strings.Trim(headers[name][0], " \t") + "\n")
	}
	// The gateway signs this one only for bodies that it does not read (verification.body: Streamed).
	if slices.Contains(names, "x-sdk-content-sha256") {
		return refuse("the body is not signed")
	}

	date := strings.Trim(headers["x-sdk-date"][0], " \t")
	signedAt, err := time.Parse("20060102T150405Z", date)
	if err != nil || signedAt.Format("20060102T150405Z") != date || now.Sub(signedAt).Abs() > maxClockSkew {
		return refuse("the signature has expired")
	}

	// Not request.URL, which is decoded. The gateway sends the query in canonical form: what arrived is what was
	// signed, byte for byte.
	path, query, _ := strings.Cut(request.RequestURI, "?")
	if ambiguousEscape.MatchString(path) {
		return refuse("the path can be read in two ways")
	}

	canonical := strings.Join([]string{request.Method, canonicalPath(path), query, lines.String(), signedHeaders, sha256Hex(body)}, "\n")
	text := strings.Join([]string{"SDK-HMAC-SHA256", date, sha256Hex([]byte(canonical))}, "\n")
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key.Secret))
		mac.Write([]byte(text))
		if hmac.Equal(mac.Sum(nil), signature) && key.ID == keyID && key.Secret != "" {
			return Signature{Valid: true, KeyID: keyID}
		}
	}
	return refuse("the signature does not match")
}

func sha256Hex(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}

// canonicalPath decodes and encodes again, byte by byte, with a slash at the end. Its escapes are well-formed.
func canonicalPath(path string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var encoded strings.Builder
	for i := 0; i < len(path); i++ {
		octet := path[i]
		if octet == '%' {
			decoded, _ := hex.DecodeString(path[i+1 : i+3])
			octet = decoded[0]
			i += 2
		}
		if strings.IndexByte(unreserved, octet) >= 0 {
			encoded.WriteByte(octet)
		} else {
			fmt.Fprintf(&encoded, "%%%02X", octet)
		}
	}
	if !strings.HasSuffix(encoded.String(), "/") {
		encoded.WriteByte('/')
	}
	return encoded.String()
}
