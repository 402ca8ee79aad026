package aws

import (
	"net/url"
	"regexp"
	"strings"
)

// endpoints says where a service is.
type endpoints struct {
	lookup func(name string) (string, bool)
	self   string // of Step Functions, where the environment names none
	region string
}

// endpoint is where a service's requests go.
type endpoint struct {
	url    string // without a slash at its end
	region string // that signs
	named  bool   // by the environment, or by the configuration, not by AWS
	self   bool   // this server
}

// of is the endpoint of a service: the one that the environment names for it
// (AWS_ENDPOINT_URL_SECRETS_MANAGER) or for all services (AWS_ENDPOINT_URL), as
// it does for AWS's own clients, else AWS's in the region.
func (e endpoints) of(m *model) endpoint {
	variable := "AWS_ENDPOINT_URL_" + strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(m.ID))
	for _, name := range []string{variable, "AWS_ENDPOINT_URL"} {
		if v, set := e.lookup(name); set && v != "" {
			return endpoint{url: strings.TrimRight(v, "/"), region: e.region, named: true}
		}
	}
	if m.ID == "SFN" && e.self != "" {
		return endpoint{url: strings.TrimRight(e.self, "/"), region: e.region, named: true, self: true}
	}
	if m.Host != "" && dnsSuffix(e.region) == dnsSuffix("us-east-1") {
		return endpoint{url: "https://" + m.Host, region: first(m.Region, e.region)}
	}
	return endpoint{url: Endpoint(m.Prefix, e.region), region: e.region}
}

// Endpoint is where AWS has a service ("s3") in a region.
func Endpoint(service, region string) string {
	return "https://" + service + "." + region + "." + dnsSuffix(region)
}

// dnsSuffix is the domain of a region's services.
func dnsSuffix(region string) string {
	for prefix, suffix := range map[string]string{
		"cn-": "amazonaws.com.cn", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov", "eu-isoe-": "cloud.adc-e.uk",
		"us-isof-": "csp.hci.ic.gov", "eusc-": "amazonaws.eu",
	} {
		if strings.HasPrefix(region, prefix) {
			return suffix
		}
	}
	return "amazonaws.com"
}

// hostBucket is a bucket's name that can be a part of a host's under a
// certificate for all buckets.
var hostBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// address is a request's URL. AWS's own endpoints get the operation's prefix
// before the host, and S3's the bucket.
func (e endpoint) address(m *model, r *request) (*url.URL, error) {
	u, err := url.Parse(e.url)
	if err != nil {
		return nil, err
	}
	path := r.path
	if !e.named {
		u.Host = r.prefix + u.Host
		if bucket, rest, _ := strings.Cut(path[1:], "/"); m.ID == "S3" && hostBucket.MatchString(bucket) {
			u.Host, path = bucket+"."+u.Host, "/"+rest
		}
	}
	u.RawQuery = strings.ReplaceAll(r.query.Encode(), "+", "%20")
	return url.Parse(u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/") + path + querySuffix(u.RawQuery))
}

func querySuffix(query string) string {
	if query == "" {
		return ""
	}
	return "?" + query
}
