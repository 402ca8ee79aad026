package cli

// The parts of SARIF 2.1.0 that code scanning reads.
type (
	sarif struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string      `json:"id"`
		Name                 string      `json:"name"`
		ShortDescription     sarifText   `json:"shortDescription"`
		FullDescription      sarifText   `json:"fullDescription"`
		Help                 sarifText   `json:"help"`
		DefaultConfiguration sarifConfig `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifInvocation struct {
		ExecutionSuccessful        bool                `json:"executionSuccessful"`
		ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           int                `json:"ruleIndex"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		CodeFlows           []sarifCodeFlow    `json:"codeFlows,omitempty"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
		Properties          map[string]any     `json:"properties,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifText     `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	sarifLogical struct {
		Name               string `json:"name"`
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifCodeFlow struct {
		ThreadFlows []sarifThreadFlow `json:"threadFlows"`
	}
	sarifThreadFlow struct {
		Locations []sarifFlowLocation `json:"locations"`
	}
	sarifFlowLocation struct {
		Location sarifLocation `json:"location"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// sarifOf is the proofs of files in SARIF.
func sarifOf(version string, rules []ProofRule, all []proved) sarif {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "backstep", Version: version, InformationURI: "https://github.com/backstep/backstep"}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: true}},
		Results:     []sarifResult{},
		ColumnKind:  "unicodeCodePoints",
	}
	index := map[string]int{}
	for i, r := range rules {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.ID, Name: r.Name, ShortDescription: sarifText{Text: r.Title}, FullDescription: sarifText{Text: r.Help},
			Help:                 sarifText{Text: r.Help + "\n\n" + r.Fix, Markdown: r.Help + "\n\n**What to do:** " + r.Fix},
			DefaultConfiguration: sarifConfig{r.Severity},
		})
	}
	said := &run.Invocations[0].ToolExecutionNotifications
	for _, p := range all {
		for _, f := range p.Findings {
			run.Results = append(run.Results, sarifFinding(p.File, index[f.Rule], f))
		}
		for _, f := range p.Accepted {
			r := sarifFinding(p.File, index[f.Rule], f)
			r.Suppressions = []sarifSuppression{{Kind: "external", Justification: f.Because}}
			run.Results = append(run.Results, r)
		}
		for _, u := range p.Undecided {
			*said = append(*said, sarifNotification{Level: "warning", Message: sarifText{Text: "not decided here: " + u.State + ": " + u.Why},
				Locations: []sarifLocation{{Physical: &sarifPhysical{Artifact: sarifArtifact{p.File}}}}})
		}
	}
	return sarif{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

func sarifFinding(file string, rule int, f ProofFinding) sarifResult {
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: rule, Level: f.Severity, Message: sarifText{Text: f.Message + ". " + f.Fix + "."},
		Locations: []sarifLocation{{
			Physical: &sarifPhysical{sarifArtifact{file}, region(f.Line, f.Column)},
			Logical:  []sarifLogical{{f.State, f.Place}},
		}},
		PartialFingerprints: map[string]string{"ruleStateStep/v1": f.Rule + "/" + f.State + "/" + f.Step},
	}
	if f.Script != nil {
		r.Properties = map[string]any{"script": f.Script}
	}
	if len(f.Path) > 0 {
		flow := sarifThreadFlow{}
		for _, m := range f.Path {
			at := sarifLocation{Message: &sarifText{Text: m.State + " " + m.Way}}
			if m.State == "" {
				at.Message.Text = m.Way
			}
			if m.Line > 0 {
				at.Physical = &sarifPhysical{sarifArtifact{file}, region(m.Line, m.Column)}
			}
			flow.Locations = append(flow.Locations, sarifFlowLocation{at})
		}
		r.CodeFlows = []sarifCodeFlow{{[]sarifThreadFlow{flow}}}
	}
	return r
}

func region(line, column int) *sarifRegion {
	if line == 0 {
		return nil
	}
	return &sarifRegion{line, max(1, column)}
}
