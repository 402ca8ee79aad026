package asl

func readYAML(text string) (*node, *Diagnostic) {
	return nil, refusal(InvalidJSON, "no value begins here", nil)
}
