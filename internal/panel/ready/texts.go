// Package ready has texts for urgent events, in the languages of the standard templates.
package ready

import (
	"slices"
	"strings"
)

// Text is a text for an urgent event that needs no more than to be sent. It is in the languages of the standard templates.
type Text struct {
	ID, Name string
	In       map[string]Words // by language
}

// Words are the title and the text in a language.
type Words struct{ Language, Title, Body string }

// Texts are offered in the form of an urgent event. They say what to do, and no times and places, which people add.
var Texts = []Text{
	{"closed", "School closed", map[string]Words{
		"en": {"en", "School closed today", "The school is closed today. There are no lessons. We will tell you when it opens again."},
		"es": {"es", "Hoy no hay clase", "El colegio está cerrado hoy. No hay clases. Les avisaremos cuando vuelva a abrir."},
		"fr": {"fr", "École fermée aujourd’hui", "L’école est fermée aujourd’hui. Il n’y a pas de cours. Nous vous dirons quand elle rouvrira."},
		"de": {"de", "Heute keine Schule", "Die Schule ist heute geschlossen. Es findet kein Unterricht statt. Wir melden uns, sobald sie wieder öffnet."},
		"ar": {"ar", "المدرسة مغلقة اليوم", "المدرسة مغلقة اليوم ولا توجد دروس. سنخبركم عندما تفتح من جديد."},
	}},
	{"late", "Late opening", map[string]Words{
		"en": {"en", "School opens late today", "The school opens later than usual today. Please do not come yet. We will tell you when lessons begin."},
		"es": {"es", "Hoy el colegio abre más tarde", "El colegio abre hoy más tarde de lo habitual. Por favor, no vengan todavía. Les avisaremos cuándo empiezan las clases."},
		"fr": {"fr", "L’école ouvre plus tard aujourd’hui", "L’école ouvre plus tard que d’habitude aujourd’hui. Merci de ne pas venir pour le moment. Nous vous dirons quand les cours commencent."},
		"de": {"de", "Die Schule öffnet heute später", "Die Schule öffnet heute später als sonst. Bitte kommen Sie noch nicht. Wir melden uns, wann der Unterricht beginnt."},
		"ar": {"ar", "المدرسة تفتح متأخرة اليوم", "تفتح المدرسة اليوم متأخرة عن المعتاد. من فضلكم لا تأتوا الآن. سنخبركم بموعد بدء الدروس."},
	}},
	{"indoors", "Stay indoors", map[string]Words{
		"en": {"en", "Lockdown: everybody stays indoors", "Everybody stays inside the school until further notice. Please do not come to the school and do not call. We will tell you as soon as we know more."},
		"es": {"es", "Confinamiento: nadie sale del colegio", "Todos permanecen dentro del colegio hasta nuevo aviso. Por favor, no vengan al colegio ni llamen. Les informaremos en cuanto sepamos más."},
		"fr": {"fr", "Confinement : tout le monde reste à l’intérieur", "Tout le monde reste dans l’école jusqu’à nouvel ordre. Merci de ne pas venir à l’école et de ne pas appeler. Nous vous informerons dès que possible."},
		"de": {"de", "Alle bleiben im Schulgebäude", "Alle bleiben bis auf Weiteres im Schulgebäude. Bitte kommen Sie nicht zur Schule und rufen Sie nicht an. Wir melden uns, sobald wir mehr wissen."},
		"ar": {"ar", "إغلاق احترازي: الجميع يبقى في الداخل", "يبقى الجميع داخل المدرسة حتى إشعار آخر. من فضلكم لا تأتوا إلى المدرسة ولا تتصلوا. سنخبركم حالما نعرف المزيد."},
	}},
	{"leave", "Leave the building", map[string]Words{
		"en": {"en", "The school is being evacuated", "Everybody leaves the building now and goes to the assembly point. Please do not come to the school. We will tell you where children can be met."},
		"es": {"es", "Se está evacuando el colegio", "Todos salen ahora del edificio y van al punto de encuentro. Por favor, no vengan al colegio. Les diremos dónde recoger a los niños."},
		"fr": {"fr", "L’école est évacuée", "Tout le monde quitte le bâtiment maintenant et rejoint le point de rassemblement. Merci de ne pas venir à l’école. Nous vous dirons où retrouver les enfants."},
		"de": {"de", "Die Schule wird geräumt", "Alle verlassen jetzt das Gebäude und gehen zum Sammelplatz. Bitte kommen Sie nicht zur Schule. Wir melden, wo Kinder abgeholt werden können."},
		"ar": {"ar", "يجري إخلاء المدرسة", "يغادر الجميع المبنى الآن ويتوجهون إلى نقطة التجمع. من فضلكم لا تأتوا إلى المدرسة. سنخبركم أين يمكن استلام الأطفال."},
	}},
	{"clear", "All clear", map[string]Words{
		"en": {"en", "All clear", "The danger is over and everybody is safe. Lessons go on as planned."},
		"es": {"es", "Ya no hay peligro", "El peligro ha pasado y todos están a salvo. Las clases continúan según lo previsto."},
		"fr": {"fr", "Fin de l’alerte", "Le danger est passé et tout le monde est en sécurité. Les cours continuent comme prévu."},
		"de": {"de", "Entwarnung", "Die Gefahr ist vorüber und alle sind in Sicherheit. Der Unterricht geht wie geplant weiter."},
		"ar": {"ar", "زال الخطر", "زال الخطر والجميع بأمان. تستمر الدروس كما هو مقرر."},
	}},
}

// Languages are the languages of all ready texts.
var Languages = []string{"ar", "de", "en", "es", "fr"}

// For is the text for readers of a language; in English if there is none.
func (t Text) For(tag string) Words {
	language, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if text, ok := t.In[language]; ok {
		return text
	}
	return t.In["en"]
}

// Find finds a ready text. The zero value is none.
func Find(id string) Text {
	if i := slices.IndexFunc(Texts, func(t Text) bool { return t.ID == id }); i >= 0 {
		return Texts[i]
	}
	return Text{}
}
