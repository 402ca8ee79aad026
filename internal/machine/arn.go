package machine

// ExecutionARN is the execution's own ARN. That of an Express execution ends
// in its internal id, for names may repeat there.
func (s *Start) ExecutionARN() string {
	if s.Express {
		return s.arn("express:") + s.Machine + ":" + s.Name + ":" + s.ID.String()
	}
	return s.arn("execution:") + s.Machine + ":" + s.Name
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
