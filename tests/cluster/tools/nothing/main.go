// Command nothing is a pair of webhooks that decide nothing: /mutate adds an annotation of a given length, /validate
// allows. It is what any pair of webhooks written with Go's standard library costs, for `make bench`.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"strings"
)

const key = "nothing.writ.dev~1annotation"

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID    string          `json:"uid"`
	Object json.RawMessage `json:"object"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	PatchType string `json:"patchType,omitempty"`
	Patch     []byte `json:"patch,omitempty"`
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

type object struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8443", "where to listen")
	certificate := flag.String("certificate", "", "the serving certificate, PEM")
	private := flag.String("key", "", "its key, PEM")
	length := flag.Int("annotation-bytes", 800, "length of the annotation's value")
	flag.Parse()
	value := strings.Repeat("x", *length)
	http.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	http.HandleFunc("/validate", answer(func(*request, *response) error { return nil }))
	http.HandleFunc("/mutate", answer(func(asked *request, told *response) error {
		var had object
		if err := json.Unmarshal(asked.Object, &had); err != nil {
			return err
		}
		var patch []operation
		if had.Metadata.Annotations == nil {
			patch = append(patch, operation{"add", "/metadata/annotations", map[string]string{}})
		}
		patch = append(patch, operation{"add", "/metadata/annotations/" + key, value})
		encoded, err := json.Marshal(patch)
		told.PatchType, told.Patch = "JSONPatch", encoded
		return err
	}))
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *private, nil))
}

func answer(decide func(*request, *response) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var asked review
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		if err != nil || asked.Request == nil {
			http.Error(w, "not a review", http.StatusBadRequest)
			return
		}
		told := &response{UID: asked.Request.UID, Allowed: true}
		if err := decide(asked.Request, told); err != nil {
			http.Error(w, "not an object", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review{APIVersion: asked.APIVersion, Kind: asked.Kind, Response: told})
	}
}
