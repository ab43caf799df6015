// A client after Tencent's published Go sample, key pair: X-Date and Source signed with hmac-sha1.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"example.com/clients/job"
)

func sign(keyID, secret, date, source string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "x-date: %s\nsource: %s", date, source)
	return fmt.Sprintf(`hmac id="%s", algorithm="hmac-sha1", headers="x-date source", signature="%s"`,
		keyID, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func main() {
	job.Run(func(j job.Job) (job.Send, error) {
		client := &http.Client{Timeout: 30 * time.Second}
		return func(each job.Case) (int, error) {
			target, err := url.Parse(j.Endpoint)
			if err != nil {
				return 0, err
			}
			target.Path = each.Path
			query := url.Values{}
			for _, pair := range each.Query {
				query.Add(pair[0], pair[1])
			}
			target.RawQuery = query.Encode()
			body := []byte(each.JSON)
			if each.BodyBase64 != nil {
				body = *each.BodyBase64
			}
			request, err := http.NewRequest(each.Method, target.String(), bytes.NewReader(body))
			if err != nil {
				return 0, err
			}
			const source = "watermark"
			date := time.Now().UTC().Format(http.TimeFormat)
			request.Header.Set("Accept", "*/*")
			request.Header.Set("Accept-Charset", "utf-8;")
			request.Header.Set("Source", source)
			request.Header.Set("X-Date", date)
			request.Header.Set("Authorization", sign(j.KeyID, j.Secret, date, source))
			if each.ContentType != "" {
				request.Header.Set("Content-Type", each.ContentType)
			}
			for name, value := range each.Headers {
				request.Header.Set(name, value)
			}
			response, err := client.Do(request)
			if err != nil {
				return 0, err
			}
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			return response.StatusCode, err
		}, nil
	})
}
