package prove

func (p *prover) sagaRules() {}
