package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Words are the words of the pages in one language. The texts of a message itself are in the
// language of the school.
type Words struct {
	Tag string // BCP 47
	Dir string // ltr or rtl

	Urgent, Cancelled, CancelledText string

	When, Where                string
	Ask, Acknowledge, MarkRead string // above the button, and on it
	SaysAcknowledged, SaysRead string // after it
	Personal                   string // below the message
	UnknownTitle, UnknownText  string
	EndedTitle, EndedText      string
	FailedTitle, FailedText    string
	date                       string // with {weekday}, {day}, {month} and {year}
	weekdays                   [7]string
	months                     [12]string
}

// English is the language of readers whose own there is none of.
var English = &languages[0]

// languages are all languages of the pages.
var languages = []Words{{
	Tag: "en", Dir: "ltr",
	Urgent: "Urgent", Cancelled: "Cancelled", CancelledText: "The school has cancelled this message. It does not apply any more.",
	When: "When", Where: "Where",
	Ask: "Please tell us that you have seen this.", Acknowledge: "I have read this", MarkRead: "Mark as read",
	SaysAcknowledged: "You have confirmed this message", SaysRead: "You have marked this message as read",
	Personal:     "This page is for you and opens without a password. Do not pass its address on.",
	UnknownTitle: "This link does not work", UnknownText: "Its address is wrong or incomplete. Open it again from the message that you got, or ask the school.",
	EndedTitle: "This link has ended", EndedText: "Links to messages work for a limited time. Ask the school if you still need the message.",
	FailedTitle: "The message cannot be shown now", FailedText: "Please try again in a few minutes. Nothing is lost.",
	date:     "{weekday} {day} {month} {year}",
	weekdays: [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	months:   [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}, {
	Tag: "de", Dir: "ltr",
	Urgent: "Dringend", Cancelled: "Abgesagt", CancelledText: "Die Schule hat diese Nachricht zurückgenommen. Sie gilt nicht mehr.",
	When: "Wann", Where: "Wo",
	Ask: "Bitte bestätigen Sie, dass Sie dies gesehen haben.", Acknowledge: "Ich habe das gelesen", MarkRead: "Als gelesen markieren",
	SaysAcknowledged: "Sie haben diese Nachricht bestätigt", SaysRead: "Sie haben diese Nachricht als gelesen markiert",
	Personal:     "Diese Seite ist für Sie und öffnet sich ohne Passwort. Geben Sie ihre Adresse nicht weiter.",
	UnknownTitle: "Dieser Link funktioniert nicht", UnknownText: "Die Adresse ist falsch oder unvollständig. Öffnen Sie ihn noch einmal aus der Nachricht, die Sie bekommen haben, oder fragen Sie die Schule.",
	EndedTitle: "Dieser Link ist abgelaufen", EndedText: "Links zu Nachrichten gelten nur eine bestimmte Zeit. Fragen Sie die Schule, wenn Sie die Nachricht noch brauchen.",
	FailedTitle: "Die Nachricht kann gerade nicht gezeigt werden", FailedText: "Bitte versuchen Sie es in einigen Minuten noch einmal. Nichts ist verloren.",
	date:     "{weekday}, {day}. {month} {year}",
	weekdays: [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
	months:   [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
}, {
	Tag: "es", Dir: "ltr",
	Urgent: "Urgente", Cancelled: "Cancelado", CancelledText: "El colegio ha cancelado este mensaje. Ya no es válido.",
	When: "Cuándo", Where: "Dónde",
	Ask: "Díganos, por favor, que lo ha visto.", Acknowledge: "Lo he leído", MarkRead: "Marcar como leído",
	SaysAcknowledged: "Ha confirmado este mensaje", SaysRead: "Ha marcado este mensaje como leído",
	Personal:     "Esta página es para usted y se abre sin contraseña. No comparta su dirección.",
	UnknownTitle: "Este enlace no funciona", UnknownText: "La dirección es incorrecta o está incompleta. Ábralo otra vez desde el mensaje que recibió o pregunte al colegio.",
	EndedTitle: "Este enlace ha caducado", EndedText: "Los enlaces a mensajes sirven durante un tiempo limitado. Pregunte al colegio si todavía necesita el mensaje.",
	FailedTitle: "El mensaje no se puede mostrar ahora", FailedText: "Inténtelo de nuevo en unos minutos, por favor. No se ha perdido nada.",
	date:     "{weekday}, {day} de {month} de {year}",
	weekdays: [7]string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"},
	months:   [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
}, {
	Tag: "ar", Dir: "rtl",
	Urgent: "عاجل", Cancelled: "أُلغيت", CancelledText: "ألغت المدرسة هذه الرسالة ولم تعد سارية.",
	When: "متى", Where: "أين",
	Ask: "يرجى إبلاغنا بأنكم اطلعتم على هذا.", Acknowledge: "لقد قرأت هذا", MarkRead: "وضع علامة مقروء",
	SaysAcknowledged: "لقد أكدتم هذه الرسالة", SaysRead: "لقد وضعتم علامة مقروء على هذه الرسالة",
	Personal:     "هذه الصفحة مخصصة لكم وتُفتح بدون كلمة مرور. لا ترسلوا عنوانها إلى غيركم.",
	UnknownTitle: "هذا الرابط لا يعمل", UnknownText: "العنوان خاطئ أو غير مكتمل. افتحوه مرة أخرى من الرسالة التي وصلتكم أو اسألوا المدرسة.",
	EndedTitle: "انتهت صلاحية هذا الرابط", EndedText: "تعمل روابط الرسائل لفترة محدودة. اسألوا المدرسة إذا كنتم ما زلتم بحاجة إلى الرسالة.",
	FailedTitle: "لا يمكن عرض الرسالة الآن", FailedText: "يرجى المحاولة مرة أخرى بعد بضع دقائق. لم يُفقد شيء.",
	date:     "{weekday} {day} {month} {year}",
	weekdays: [7]string{"الأحد", "الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت"},
	months:   [12]string{"يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر", "نوفمبر", "ديسمبر"},
}}

// WordsFor returns the words in the first of the languages, which are BCP 47 tags, that there are
// words in, or English ones. A region does not matter: es-MX is es.
func WordsFor(tags ...string) *Words {
	for _, tag := range tags {
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		for i := range languages {
			if languages[i].Tag == base {
				return &languages[i]
			}
		}
	}
	return English
}

// maxAccepted is how many languages of an Accept-Language count.
const maxAccepted = 20

// Accepted returns the languages of an Accept-Language header, the preferred ones first.
func Accepted(header string) []string {
	type choice struct {
		tag     string
		quality float64
	}
	var choices []choice
	for part := range strings.SplitSeq(header, ",") {
		tag, rest, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		quality, err := strconv.ParseFloat(strings.TrimPrefix(rest, "q="), 64)
		if err != nil {
			quality = 1
		}
		if tag == "" || quality <= 0 {
			continue
		}
		if choices = append(choices, choice{tag, quality}); len(choices) == maxAccepted {
			break
		}
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.quality, a.quality) })
	tags := make([]string, len(choices))
	for i, c := range choices {
		tags[i] = c.tag
	}
	return tags
}
