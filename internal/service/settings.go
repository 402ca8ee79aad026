package service

import (
	"context"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// checkSettings refuses settings that make no sense by themselves.
func checkSettings(logging *api.LoggingConfiguration, encryption *api.EncryptionConfiguration) error {
	if err := checkLogging(logging); err != nil {
		return err
	}
	switch {
	case encryption == nil:
	case encryption.Type == api.EncryptionTypeAwsOwnedKey && (encryption.KmsKeyId != nil || encryption.KmsDataKeyReusePeriodSeconds != nil):
		return api.Errorf(api.CodeInvalidEncryptionConfiguration, "Invalid Encryption Configuration: a key belongs to CUSTOMER_MANAGED_KMS_KEY alone.")
	case encryption.Type == api.EncryptionTypeCustomerManagedKmsKey && encryption.KmsKeyId == nil:
		return api.Errorf(api.CodeInvalidEncryptionConfiguration, "Invalid Encryption Configuration: CUSTOMER_MANAGED_KMS_KEY needs a kmsKeyId.")
	}
	return nil
}

func checkLogging(c *api.LoggingConfiguration) error {
	if c == nil {
		return nil
	}
	if n := len(c.Destinations); n > 1 || n == 0 && logs(c) || n == 1 && !names(c.Destinations[0]) {
		return invalidLogging("Must specify exactly one Log Destination.")
	}
	if len(c.Destinations) == 1 && !strings.HasSuffix(*c.Destinations[0].CloudWatchLogsLogGroup.LogGroupArn, ":*") {
		return invalidLogging("Log Group ARN must be provided with '*' qualifier.")
	}
	return nil
}

func invalidLogging(why string) *api.Error {
	return api.Errorf(api.CodeInvalidLoggingConfiguration, "Invalid Logging Configuration: %s", why)
}

// logs says whether a state machine logs anything.
func logs(c *api.LoggingConfiguration) bool {
	return c != nil && c.Level != "" && c.Level != api.LogLevelOff
}

// names says whether a log destination names anything.
func names(d api.LogDestination) bool {
	return d.CloudWatchLogsLogGroup != nil && d.CloudWatchLogsLogGroup.LogGroupArn != nil
}

// groupTime is how long a call waits for an answer about a log group.
const groupTime = 3 * time.Second

// checkLogGroup refuses a configuration that logs to a group that is not there.
// Who can't be asked refuses nothing: what is logged may be lost at any time.
func (s *Service) checkLogGroup(ctx context.Context, c *api.LoggingConfiguration) error {
	if s.LogGroup == nil || !logs(c) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	group := settingOf(c).group
	there, err := s.LogGroup(ctx, group)
	if err != nil {
		s.Log.Warn("nobody tells whether a log group is there", "group", group, "cause", err)
		return nil
	}
	if !there {
		return invalidLogging("Log Destination not found.")
	}
	return nil
}

// What was not set is shown as AWS shows it.
func logging(c *api.LoggingConfiguration) *api.LoggingConfiguration {
	if c == nil {
		return &api.LoggingConfiguration{Level: api.LogLevelOff}
	}
	if c.Level == "" {
		return &api.LoggingConfiguration{Level: api.LogLevelOff, IncludeExecutionData: c.IncludeExecutionData, Destinations: c.Destinations}
	}
	return c
}

func tracing(c *api.TracingConfiguration) *api.TracingConfiguration {
	if c == nil {
		return &api.TracingConfiguration{}
	}
	return c
}

func encryption(c *api.EncryptionConfiguration) *api.EncryptionConfiguration {
	if c == nil {
		return &api.EncryptionConfiguration{Type: api.EncryptionTypeAwsOwnedKey}
	}
	return c
}
