"""Posts about shares in other languages than English, written for this measurement: ten of each."""

from collections.abc import Mapping, Sequence

_POSTS = """
es La acción de Tesla sube hoy un cinco por ciento y no hay quien la pare
es No voy a vender $GME por nada del mundo, los bancos no me van a echar
es Los resultados de Apple son mejores de lo que se esperaba para este año
es ¿Alguien sabe por qué baja tanto el Santander?
es Compré más acciones de Nvidia, muy contento con la empresa
es El mercado abre en rojo por las dudas sobre los tipos
es Mañana presenta resultados Inditex, ojo con el margen
es Qué desastre de día, pierdo la mitad de lo que gané el mes pasado
es $AMZN rompe la resistencia y se va para arriba
es Vendo todo, esto es una burbuja como la de antes
de Die Aktie von Tesla steigt heute um fünf Prozent und ist nicht zu bremsen
de Ich verkaufe meine $GME auf keinen Fall, die Banken kriegen mich nicht klein
de Die Zahlen von Apple sind besser als erwartet
de Weiß jemand, warum die Deutsche Bank so fällt?
de Habe noch mehr Nvidia gekauft, bin sehr zufrieden mit dem Unternehmen
de Der Markt eröffnet im Minus wegen der Zinsen
de Morgen legt Siemens Zahlen vor, es wird spannend für die Marge
de Was für ein schlimmer Tag, das ist die Hälfte von meinem Gewinn
de $AMZN bricht aus dem Widerstand aus
de Alles verkauft, das ist eine Blase wie damals
fr L'action Tesla monte de cinq pour cent et rien ne semble pouvoir arrêter la hausse
fr Je ne vends pas mes $GME, les banques ne gagneront pas contre nous
fr Les résultats d'Apple sont meilleurs que prévu pour cette année
fr Quelqu'un sait pourquoi la Société Générale baisse autant ?
fr J'ai acheté plus de Nvidia, très content de la boîte
fr Le marché ouvre dans le rouge avec les doutes sur les taux
fr Demain les chiffres de LVMH, attention à la marge
fr Quelle journée, je perds la moitié des gains du mois
fr $AMZN casse la résistance et part vers le haut
fr Je vends tout, c'est une bulle comme la dernière fois
pt A ação da Tesla sobe hoje cinco por cento e não há quem a pare
pt Não vou vender $GME por nada, os bancos não ganham de mim
pt Os resultados da Apple são melhores do que se esperava para o ano
pt Alguém sabe por que a Petrobras cai tanto?
pt Comprei mais ações da Nvidia, muito feliz com a empresa
pt O mercado abre no vermelho com as dúvidas sobre os juros
pt Amanhã a Vale divulga os números, atenção para a margem
pt Que dia horrível, perdi a metade do que ganhei no mês
pt $AMZN rompe a resistência e vai para cima
pt Vendi tudo, isso é uma bolha como a de antes
it L'azione Tesla sale oggi del cinque per cento e non la ferma più nessuno
it Non vendo le mie $GME per niente al mondo
it I risultati di Apple sono migliori del previsto per quest'anno
it Qualcuno sa perché Intesa scende così tanto?
it Ho comprato altre Nvidia, sono molto contento della società
it Il mercato apre in rosso per i dubbi sui tassi
it Domani i conti di Ferrari, attenzione al margine
it Che giornata, perdo la metà di quello che ho guadagnato nel mese
it $AMZN rompe la resistenza e va verso l'alto
it Vendo tutto, è una bolla come quella di allora
nl Het aandeel Tesla stijgt vandaag vijf procent en is niet te stoppen
nl Ik verkoop mijn $GME echt niet, de banken krijgen me niet klein
nl De cijfers van Apple zijn beter dan verwacht voor dit jaar
nl Weet iemand waarom ING zo hard daalt?
nl Nog meer Nvidia gekocht, heel blij met het bedrijf
nl De markt opent in het rood door de twijfel over de rente
nl Morgen komt ASML met cijfers, let op de marge
nl Wat een dag, dat is de helft van mijn winst van de maand
nl $AMZN breekt door de weerstand heen
nl Alles verkocht, het is een zeepbel net als toen
sv Teslas aktie stiger fem procent i dag och det är inte slut än
sv Jag säljer inte mina $GME för allt i världen
sv Siffrorna från Apple är bättre än väntat för året
sv Vet någon varför Ericsson faller så mycket?
sv Köpte mer Nvidia, är mycket nöjd med bolaget
sv Börsen öppnar på minus och det är räntan som oroar
sv I morgon kommer Volvo med sin rapport, det blir spännande
sv Vilken dag, jag har tappat hälften av vinsten från förra månaden
sv $AMZN bryter igenom motståndet och går upp
sv Har sålt allt, det här är en bubbla som då
pl Akcje Tesli rosną dziś o pięć procent i nie widać końca
pl Nie sprzedam moich $GME za nic w świecie
pl Wyniki Apple są lepsze niż oczekiwano na ten rok
pl Czy ktoś wie, dlaczego Orlen tak spada?
pl Kupiłem więcej Nvidii, jestem bardzo zadowolony ze spółki
pl Rynek otwiera się na minusie przez obawy o stopy
pl Jutro wyniki podaje Allegro, uwaga na marżę
pl Co za dzień, to jest połowa zysku z całego miesiąca
pl $AMZN przebija opór i idzie w górę
pl Sprzedałem wszystko, to jest bańka jak wtedy
tr Tesla hissesi bugün yüzde beş yükseliyor ve durmak bilmiyor
tr $GME hisselerimi asla satmam, bankalar bizi yenemez
tr Apple sonuçları bu yıl için beklenenden daha iyi
tr Garanti neden bu kadar düşüyor, bilen var mı?
tr Biraz daha Nvidia aldım, şirketten çok memnunum
tr Piyasa faiz endişesi ile ekside açıldı
tr Yarın Koç bilançosu geliyor, marja dikkat
tr Ne gün ama, bu ay kazandığımın yarısı gitti
tr $AMZN direnci kırdı ve yukarı gidiyor
tr Her şeyi sattım, bu bir balon ve çok büyük
id Saham Tesla naik lima persen hari ini dan tidak bisa dihentikan
id Saya tidak akan jual $GME, bank tidak akan menang
id Hasil Apple lebih baik dari yang diharapkan untuk tahun ini
id Ada yang tahu kenapa BCA turun begitu dalam?
id Beli lagi Nvidia, sangat puas dengan perusahaan ini
id Pasar dibuka merah karena khawatir dengan suku bunga
id Besok laporan Telkom keluar, perhatikan marginnya
id Hari yang buruk, setengah dari untung bulan ini hilang
id $AMZN tembus resisten dan akan naik
id Sudah jual semua, ini gelembung seperti dulu
ja テスラの株が今日も上がっている
ja アップルの決算は予想より良かった
ru Акции Теслы сегодня растут на пять процентов
ru Продал всё, это пузырь как тогда
zh 特斯拉股价今天上涨百分之五
zh 苹果的业绩好于预期
ko 테슬라 주가가 오늘 오 퍼센트 올랐다
ko 애플 실적이 예상보다 좋다
he מניית טסלה עולה היום בחמישה אחוזים
ar سهم تسلا يرتفع اليوم خمسة بالمئة
hi टेस्ला का शेयर आज पाँच प्रतिशत ऊपर है
el Η μετοχή της Tesla ανεβαίνει σήμερα πέντε τοις εκατό
th หุ้นเทสลาวันนี้ขึ้นห้าเปอร์เซ็นต์
"""


def _by_language() -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for line in _POSTS.strip().splitlines():
        language, _, text = line.partition(" ")
        found.setdefault(language, []).append(text)
    return found


SENTENCES = _by_language()
"""Posts by language."""
