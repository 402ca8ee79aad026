package graph

import "github.com/backstep/backstep/internal/asl"

// icons of types are drawn in a square of 16 pixels.
var typeIcons = map[asl.Type]string{
	asl.Task:     "M3.5 2.5h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zM5 6l2 2-2 2M8.5 10.5h2.5",
	asl.Choice:   "M8 1.5L14.5 8 8 14.5 1.5 8z",
	asl.Wait:     "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3.4l2.4 1.4",
	asl.Pass:     "M2 8h11M9 4l4 4-4 4",
	asl.Succeed:  "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM5.2 8.2l2 2 3.6-4.2",
	asl.Fail:     "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
	asl.Parallel: "M3.5 2.5v11M8 2.5v11M12.5 2.5v11",
	asl.Map:      "M5.5 5.5h8v8h-8zM2.5 10.5v-8h8",
	asl.Saga:     undoIcon,
}

const undoIcon = "M2.5 6H10a3.5 3.5 0 0 1 0 7H6M5.5 3L2.5 6l3 3"

var markIcons = map[Mark]string{
	Done:        "M2.5 8.5l3.5 3.5 7.5-8",
	Running:     "M4.5 3l8 5-8 5z",
	Failed:      "M3.5 3.5l9 9M12.5 3.5l-9 9",
	Caught:      "M8 2l6.5 11.5h-13zM8 6.5v3.2M8 11.6v.2",
	Compensated: undoIcon,
	Held:        "M5.5 3.5v9M10.5 3.5v9",
	Stopped:     "M4 4h8v8H4z",
	NotReached:  "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
}
