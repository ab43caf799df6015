// Go module huaweicloud-sdk-go-v3 through its own HTTP client.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"example.com/clients/job"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/def"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
)

type answer struct {
	HttpStatusCode int `json:"-"`
}

func main() {
	job.Run(func(j job.Job) (job.Send, error) {
		credentials, err := basic.NewCredentialsBuilder().WithAk(j.KeyID).WithSk(j.Secret).WithProjectId("none").SafeBuild()
		if err != nil {
			return nil, err
		}
		client, err := core.NewHcHttpClientBuilder().WithEndpoint(j.Endpoint).WithCredential(credentials).SafeBuild()
		if err != nil {
			return nil, err
		}
		return func(each job.Case) (int, error) {
			definition := def.NewHttpRequestDefBuilder().WithMethod(each.Method).WithPath(each.Path).WithResponse(new(answer))
			if each.ContentType != "" {
				definition.WithContentType(each.ContentType)
			}
			response, err := client.Sync(requestOf(each, definition), definition.Build())
			var refused *sdkerr.ServiceResponseError
			if errors.As(err, &refused) {
				return refused.StatusCode, nil
			}
			if err != nil {
				return 0, err
			}
			return response.(*answer).HttpStatusCode, nil
		}, nil
	})
}

// requestOf makes what the vendor's generator writes for each API: a struct with a field for each parameter.
func requestOf(each job.Case, definition *def.HttpRequestDefBuilder) any {
	var fields []reflect.StructField
	var values []reflect.Value
	add := func(location def.LocationType, name string, value any) {
		field := fmt.Sprintf("F%d", len(fields))
		if location == def.Body {
			field = "Body"
		}
		fields = append(fields, reflect.StructField{Name: field, Type: reflect.TypeOf(value), Tag: reflect.StructTag(fmt.Sprintf("json:%q", field))})
		values = append(values, reflect.ValueOf(value))
		definition.WithRequestField(def.NewFieldDef().WithName(field).WithJsonTag(name).WithLocationType(location))
	}
	byName := map[string][]string{}
	for _, pair := range each.Query {
		byName[pair[0]] = append(byName[pair[0]], pair[1])
	}
	for name, value := range byName {
		if len(value) == 1 {
			add(def.Query, name, value[0])
		} else {
			add(def.Query, name, value)
		}
	}
	for name, value := range each.Headers {
		add(def.Header, name, value)
	}
	if each.JSON != nil {
		var body map[string]any
		if err := json.Unmarshal(each.JSON, &body); err != nil {
			panic(err)
		}
		add(def.Body, "body", &body)
	}
	if each.BodyBase64 != nil {
		body := string(*each.BodyBase64)
		add(def.Body, "body", &body)
	}
	request := reflect.New(reflect.StructOf(fields))
	for i, value := range values {
		request.Elem().Field(i).Set(value)
	}
	return request.Interface()
}
