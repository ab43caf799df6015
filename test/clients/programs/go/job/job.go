// Package job is what the Go programs share: a job from stdin, a line of JSON per case on stdout.
package job

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

type Case struct {
	Name        string            `json:"name"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Query       [][2]string       `json:"query"`
	Headers     map[string]string `json:"headers"`
	ContentType string            `json:"contentType"`
	JSON        json.RawMessage   `json:"json"`
	BodyBase64  *[]byte           `json:"bodyBase64"`
}

type Job struct {
	Endpoint string `json:"endpoint"`
	KeyID    string `json:"keyId"`
	Secret   string `json:"secret"`
	Cases    []Case `json:"cases"`
	Burst    *struct {
		Senders int    `json:"senders"`
		Cases   []Case `json:"cases"`
	} `json:"burst"`
}

// Send answers the status the client saw.
type Send func(Case) (int, error)

// Run sends every case by what connect makes of the job.
func Run(connect func(Job) (Send, error)) {
	var job Job
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		fail(err)
	}
	send, err := connect(job)
	if err != nil {
		fail(err)
	}
	for _, each := range job.Cases {
		status, err := send(each)
		if err != nil {
			write(struct {
				Name  string `json:"name"`
				Error string `json:"error"`
			}{each.Name, err.Error()})
			continue
		}
		write(struct {
			Name   string `json:"name"`
			Status int    `json:"status"`
		}{each.Name, status})
	}
	if job.Burst != nil {
		burst(send, job.Burst.Senders, job.Burst.Cases)
	}
}

func burst(send Send, senders int, cases []Case) {
	statuses := make([]int, len(cases))
	waiting := make(chan int)
	var done sync.WaitGroup
	started := time.Now()
	for i := 0; i < senders; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for at := range waiting {
				status, err := send(cases[at])
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				statuses[at] = status
			}
		}()
	}
	for at := range cases {
		waiting <- at
	}
	close(waiting)
	done.Wait()
	write(struct {
		Name      string  `json:"name"`
		Statuses  []int   `json:"statuses"`
		ElapsedMs float64 `json:"elapsedMs"`
	}{"burst", statuses, float64(time.Since(started).Microseconds()) / 1000})
}

func write(line any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
