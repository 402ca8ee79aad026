package jsonata

func formatNumber(c call) datum { return datum{} }
func fromMillis(c call) datum { return datum{} }
func toMillis(c call) datum { return datum{} }
func now(c call) datum { return datum{} }
func millis(c call) datum { return num(float64(c.env.Now)) }
func formatIntegerOf(c call) datum { return datum{} }
func parseIntegerOf(c call) datum { return datum{} }
