package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/fuzz"
)

func TestParseARN(t *testing.T) {
	base := api.ARN{Partition: "aws", Region: "us-east-1", Account: "123456789012"}
	with := func(change func(*api.ARN)) api.ARN {
		arn := base
		change(&arn)
		return arn
	}
	const head = "arn:aws:states:us-east-1:123456789012:"
	for _, c := range []struct {
		text string
		want api.ARN
	}{
		{head + "stateMachine:order", with(func(a *api.ARN) { a.Kind, a.Machine = api.KindStateMachine, "order" })},
		{head + "stateMachine:order/items", with(func(a *api.ARN) { a.Kind, a.Machine, a.Label = api.KindStateMachine, "order", "items" })},
		{head + "stateMachine:order:12", with(func(a *api.ARN) { a.Kind, a.Machine, a.Version = api.KindVersion, "order", 12 })},
		{head + "stateMachine:order:live", with(func(a *api.ARN) { a.Kind, a.Machine, a.Name = api.KindAlias, "order", "live" })},
		{head + "execution:order:one", with(func(a *api.ARN) { a.Kind, a.Machine, a.Name = api.KindExecution, "order", "one" })},
		{head + "execution:order/items:one", with(func(a *api.ARN) { a.Kind, a.Machine, a.Label, a.Name = api.KindExecution, "order", "items", "one" })},
		{head + "express:order:one:3c2f", with(func(a *api.ARN) { a.Kind, a.Machine, a.Name, a.ID = api.KindExpress, "order", "one", "3c2f" })},
		{head + "mapRun:order/items:3c2f", with(func(a *api.ARN) { a.Kind, a.Machine, a.Label, a.ID = api.KindMapRun, "order", "items", "3c2f" })},
		{head + "activity:pack", with(func(a *api.ARN) { a.Kind, a.Name = api.KindActivity, "pack" })},
		{head + "stateMachine:Größe-ß_1.2+3=(x)!", with(func(a *api.ARN) { a.Kind, a.Machine = api.KindStateMachine, "Größe-ß_1.2+3=(x)!" })},
		{"arn:aws-us-gov:states:us-gov-west-1:123456789012:activity:x", api.ARN{Kind: api.KindActivity, Partition: "aws-us-gov", Region: "us-gov-west-1", Account: "123456789012", Name: "x"}},
	} {
		got, err := api.ParseARN(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s is %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if got.String() != c.text {
			t.Errorf("%s is written %s", c.text, got)
		}
	}
}

func TestParseARNRefuses(t *testing.T) {
	const head = "arn:aws:states:us-east-1:123456789012:"
	for _, text := range []string{
		"", "not_a_valid_arn", "ARN:aws:states:us-east-1:123456789012:activity:x", // no prefix
		"arn:", "arn:aws:states", "arn:aws:s3:us-east-1:123456789012:activity:x", "arn:other:states:us-east-1:123456789012:activity:x",
		"arn:aws:states::123456789012:activity:x", "arn:aws:states:US:123456789012:activity:x",
		"arn:aws:states:us-east-1::activity:x", "arn:aws:states:us-east-1:12345678901:activity:x", "arn:aws:states:us-east-1:12345678901a:activity:x",
		head + "activity", head + "activity:", head + "activity:a:b", head + "activity:a b", head + "activity:a\x00", head + "activity:a/b",
		head + "stateMachine:", head + "stateMachine:a/", head + "stateMachine:/b", head + "stateMachine:a/b/c", head + "stateMachine:a/b:1",
		head + "stateMachine:a:0", head + "stateMachine:a:01", head + "stateMachine:a:99999999999999999999", head + "stateMachine:a:", head + "stateMachine:a:b c",
		head + "execution:a", head + "execution:a:", head + "execution:a:b:c", head + "execution:a:../../etc",
		head + "express:a:b", head + "express:a:b:", head + "mapRun:a:b", head + "mapRun:a/b:", head + "table:a", head + ":a",
		head + "activity:" + strings.Repeat("x", 81), head + "activity:\xff", head + "activity:a:b:c:d:e",
	} {
		arn, err := api.ParseARN(text)
		var refusal *api.Error
		if !errors.As(err, &refusal) || refusal.Code != api.CodeInvalidArn {
			t.Errorf("%q is %+v, %v; want an InvalidArn", text, arn, err)
		}
	}
	if _, err := api.ParseARN("not_a_valid_arn"); err.Error() != "InvalidArn: Invalid Arn: 'Invalid ARN prefix: not_a_valid_arn'" {
		t.Errorf("AWS words it otherwise: %v", err)
	}
}

func TestValidName(t *testing.T) {
	for _, name := range []string{"a", "A-1_b.c", "größe", "注文", "a(b)!'+=@", strings.Repeat("é", 80), "..", "\U0001F600"} {
		if !api.ValidName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", strings.Repeat("x", 81), "a b", "a\tb", "a\u00a0b", "a\u2028b", "a\u3000b", "a\u1680b", "a\u2003b", "a\u202fb", "a\u205fb",
		"\x00", "\x1f", "\x7f", "\u009f", "\ufffe", "\uffff", "\U0010ffff", "\xff",
	} {
		if api.ValidName(name) {
			t.Errorf("%q is accepted", name)
		}
	}
	for _, r := range "<>{}[]?*\"#%\\^|~`$&,;:/" {
		if api.ValidName("a" + string(r)) {
			t.Errorf("%q is accepted", r)
		}
	}
}

func TestValidAlias(t *testing.T) {
	for _, name := range []string{"live", "v1", "1-", "1.0", "_", strings.Repeat("x", 80)} {
		if !api.ValidAlias(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{"", "12", "a b", "é", "a:b", strings.Repeat("x", 81)} {
		if api.ValidAlias(name) {
			t.Errorf("%q is accepted", name)
		}
	}
}

func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:states:us-east-1:123456789012:execution:order/items:one")
	f.Add("arn:aws:states:us-east-1:123456789012:stateMachine:a:1")
	f.Fuzz(func(t *testing.T, text string) {
		fuzz.Bounded(t, func() {
			if arn, err := api.ParseARN(text); err == nil && arn.String() != text {
				t.Errorf("%q is written %q", text, arn)
			}
		})
	})
}
