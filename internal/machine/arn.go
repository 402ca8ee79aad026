package machine

import (
	"encoding/hex"
	"strings"
)

// ExecutionARN is the execution's own ARN. That of an Express execution ends
// in its internal id, for names may repeat there.
func (s *Start) ExecutionARN() string {
	if s.Express {
		return s.arn("express:") + s.Machine + ":" + s.Name + ":" + s.ID.String()
	}
	return s.arn("execution:") + s.Machine + ":" + s.Name
}

// MapRunARN is a map run's own ARN: it ends in its internal id, spelled as a
// UUID.
func (s *Start) MapRunARN() string { return s.arn("mapRun:") + s.Machine + ":" + uuid(s.ID) }

// ParentRunARN is the ARN of the map run that a child belongs to.
func (s *Start) ParentRunARN() string {
	run := *s
	run.ID = s.Parent.ID
	return run.MapRunARN()
}

// uuid is 16 bytes as a UUID is written.
func uuid(b [16]byte) string {
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// randomUUID is a version 4 UUID of that chance.
func randomUUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return uuid(b)
}

// MapRunID is the id at the end of a map run's ARN; false where it is none.
func MapRunID(text string) (id ID, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, uuid(id) == text
}

// MachineARN is the ARN of the state machine that the execution runs.
func (s *Start) MachineARN() string { return s.arn("stateMachine:") + s.Machine }

func (s *Start) arn(kind string) string {
	return "arn:" + partition(s.Region) + ":states:" + s.Region + ":" + s.Account + ":" + kind
}

func partition(region string) string {
	switch {
	case len(region) > 3 && region[:3] == "cn-":
		return "aws-cn"
	case len(region) > 7 && region[:7] == "us-gov-":
		return "aws-us-gov"
	}
	return "aws"
}
